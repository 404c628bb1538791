"""Examples for the OpenAPI document. The values only show shapes; they are no result."""

from __future__ import annotations

from pydantic import JsonValue

STUDY_UID = "1.2.826.0.1.3680043.8.498.2"
FILM_ID = "0123456789abcdef0123456789abcdef01234567"
_KNEE: JsonValue = {
    "side": "R",
    "side_source": "marker",
    "centre": [1510.2, 640.8],
    "plateau_width_px": 498.0,
    "angle_degrees": 1.5,
    "box": {"row": 1190.1, "column": 336.7, "height": 607.3, "width": 607.3},
    "refusal": None,
    "flags": [],
    "kl": {
        "grade": 2,
        "probabilities": [0.05, 0.15, 0.62, 0.16, 0.02],
        "expected": 1.95,
        "oa_probability": 0.8,
        "prediction_set": None,
        "abstain": None,
    },
    "joint_space": None,
}
REPORT: JsonValue = {
    "schema_version": "1.0",
    "film": {
        "source": "film.dcm",
        "sop_instance_uid": "1.2.826.0.1.3680043.8.498.1",
        "study_instance_uid": STUDY_UID,
        "rows": 3000,
        "columns": 2500,
        "pixel_spacing_mm": [0.15, 0.15],
        "spacing_origin": "PixelSpacing",
        "modality": "DX",
        "view": "PA",
        "view_source": "tag",
    },
    "release": {"name": "kneeoa-6", "sha256": "0123456789abcdef", "software": "0.1.0"},
    "refusal": None,
    "flags": [],
    "knees": [_KNEE],
    "seconds": {"read": 0.01, "find": 0.05, "grade": 0.05, "total": 0.11},
}
REPORTS: JsonValue = [REPORT]
STUDY: JsonValue = {
    "schema_version": "1.0",
    "study_instance_uid": STUDY_UID,
    "films": [
        {
            "film_id": FILM_ID,
            "state": "done",
            "uid_reused": False,
            "result_uid": "2.25.1",
            "deliveries": [
                {
                    "destination": "dicom:PACS",
                    "kind": "sr",
                    "object_uid": "2.25.1",
                    "state": "committed",
                    "attempts": 1,
                    "reason": None,
                    "sent": 1764605000.0,
                    "updated": 1764605001.0,
                    "settled": True,
                }
            ],
        }
    ],
    "knees": [_KNEE],
    "deliveries": [],
}
STORED: JsonValue = {
    "00081190": {"vr": "UR", "Value": [f"/v1/studies/{STUDY_UID}"]},
    "00081199": {
        "vr": "SQ",
        "Value": [
            {
                "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.1.1"]},
                "00081155": {"vr": "UI", "Value": ["1.2.826.0.1.3680043.8.498.1"]},
                "00081190": {"vr": "UR", "Value": [f"/v1/studies/{STUDY_UID}"]},
            }
        ],
    },
}
_BYTES: JsonValue = {"type": "string", "format": "binary"}
FILMS_BODY: JsonValue = {
    "required": True,
    "content": {
        "application/dicom": {"schema": _BYTES},
        "image/png": {"schema": _BYTES},
        "image/jpeg": {"schema": _BYTES},
        "application/octet-stream": {"schema": _BYTES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"film": {"type": "array", "items": _BYTES, "minItems": 1}},
                "required": ["film"],
            }
        },
    },
}
STOW_BODY: JsonValue = {
    "required": True,
    "content": {'multipart/related; type="application/dicom"': {"schema": _BYTES}},
}
