"""Where a value stands in a film: a tag by keyword or number, or a path of them into sequences.

`Modality`, `(0008,0060)` and `ViewCodeSequence/CodeValue` are paths; of a sequence every item is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NUMBER = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")
_META_GROUP, _PIXEL_GROUP = 0x0002, 0x7FE0
_MOST_TAGS = 8


@dataclass(frozen=True, slots=True)
class TagPath:
    """A parsed path.

    Attributes:
        text: as it was written.
        tags: as integers 0xGGGGEEEE, the outermost first; all but the last are sequences.
        vr: of the last one by the dictionary; "UN" of one that it does not know.
    """

    text: str
    tags: tuple[int, ...]
    vr: str


@lru_cache(maxsize=1024)
def tag_path(text: str) -> TagPath:
    """Parses a path.

    Args:
        text: keywords of PS3.6 or numbers, with "/" between them.

    Raises:
        ValueError: a name is no keyword, a tag is not read of films, or what should be a sequence is none.

    References:
        DICOM PS3.6 section 6 (keywords), PS3.5 section 7.5 (nesting).
    """
    names = text.split("/")
    if len(names) > _MOST_TAGS:
        raise ValueError(f"{text}: more than {_MOST_TAGS} tags in one path")
    tags = tuple(_tag(name.strip()) for name in names)
    for name, tag in zip(names[:-1], tags[:-1], strict=True):
        if _vr(tag) not in {"SQ", "UN"}:
            raise ValueError(f"{name.strip()} is no sequence: nothing lies within it")
    return TagPath(text, tags, _vr(tags[-1]))


def _tag(name: str) -> int:
    from pydicom.datadict import tag_for_keyword

    number = _NUMBER.fullmatch(name)
    tag = tag_for_keyword(name) if number is None else int(number[1] + number[2], 16)
    if tag is None:
        raise ValueError(f"{name} is no DICOM keyword: write it as PS3.6 does (BodyPartExamined), or as (gggg,eeee)")
    if not _META_GROUP < tag >> 16 < _PIXEL_GROUP:
        raise ValueError(f"{name} is not looked at: rules see the data set up to its pixels, from group 0004 on")
    return tag


def _vr(tag: int) -> str:
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag).partition(" ")[0]
    except KeyError:
        return "UN"
