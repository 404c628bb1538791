"""Words that a header may be quoted by.

What stands in Modality or in View Position may be anything, a patient's name among it: reports and messages carry only
the terms of the trade that are found there.
"""

from __future__ import annotations

import re

_MODALITY_TERMS = (
    "ANN AR ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG EPS "
    "ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV "
    "OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN "
    "RTSTRUCT SC SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF VIDD XA XAPROTOCOL XC"
)
MODALITIES = frozenset(_MODALITY_TERMS.split())
"""PS3.3 C.7.3.1.1.1, defined terms of Modality (0008,0060), the retired ones and the common "SC" with them."""
OTHER_VIEW = "OTHER"
"""A view that is stated in words of which none is known."""

_VIEW_TERMS = (
    "AP PA LL RL RLD LLD RLO LLO ML LM MLO CC LEFT RIGHT L R KNEE KNEES BOTH BILATERAL FRONTAL ANTERO POSTERO "
    "ANTERIO POSTERIO ANTERIOR POSTERIOR ANTEROPOSTERIOR POSTEROANTERIOR ANTERIOPOSTERIOR POSTERIOANTERIOR "
    "ROSENBERG FIXED FLEXION SEMIFLEXED SEMI FLEXED EXTENDED EXTENSION SCHUSS LYON NOTCH TUNNEL STANDING STRESS "
    "WEIGHT BEARING WB UPRIGHT ERECT SUPINE PRONE DECUBITUS CROSS TABLE VIEW PATELLA OBL"
)
_VIEW_WORDS = frozenset(_VIEW_TERMS.split())
# A word that holds one of these is of a view that is not frontal, in whatever language, and must not be lost.
_NOT_FRONTAL = ("LATERAL", "LAT", "OBLIQUE", "SKYLINE", "SUNRISE", "MERCHANT", "TANGENTIAL", "AXIAL")


def known_modality(stated: str) -> str | None:
    """The stated modality in upper case, or None where it is no defined term."""
    modality = stated.upper()
    return modality if modality in MODALITIES else None


def known_view(stated: str) -> str:
    """The stated view in upper case, with its separators, without the words that are no view's.

    Args:
        stated: View Position or the meaning of a view code; not empty.

    Returns:
        At most 64 letters; `OTHER_VIEW` where no word is known.
    """
    words = re.sub(r"[^\W_]+", lambda found: _known_word(found[0]), stated.upper()[:256])
    kept = " ".join(re.sub(r"[^A-Z0-9 /-]", " ", words).split())[:64].strip(" /-")
    return kept or OTHER_VIEW


def _known_word(word: str) -> str:
    if word in _VIEW_WORDS or (word.isdigit() and len(word) <= 3):
        return word
    return next((stem for stem in _NOT_FRONTAL if stem in word), "")
