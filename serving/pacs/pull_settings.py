"""Archives that are asked for films again and again, as settings name them (`pacs.pull`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from kneeoa.serving.web_peer import WebPeer

MOST_DAYS = 366


class PullQuery(BaseModel):
    """What is asked for, by level: keywords and what they must match, wildcards as in DICOM (PS3.4 section C.2.2.2).

    Attributes:
        study, series, instance: for each level of the query.
        days: studies dated today or in the days before it, so many in all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: dict[str, str] = {}
    series: dict[str, str] = {}
    instance: dict[str, str] = {}
    days: int = Field(default=2, ge=1, le=MOST_DAYS)

    @field_validator("study", "series", "instance")
    @classmethod
    def _keywords(cls, filters: dict[str, str]) -> dict[str, str]:
        from pydicom.datadict import tag_for_keyword

        for keyword in filters:
            if tag_for_keyword(keyword) is None:
                raise ValueError(f"{keyword} is no DICOM keyword: write it as PS3.6 does, such as BodyPartExamined")
            if keyword in {"StudyDate", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}:
                raise ValueError(f"{keyword} is asked for by KneeOA itself; for dates say days")
        return filters


class _Pulled(BaseModel):
    """What every archive has that is asked.

    Attributes:
        query: what is asked for.
        every_seconds: from the end of one poll to the next; after a failure the wait doubles, up to an hour.
        max_instances: most that one poll fetches; the next one goes on.
        max_studies: most that one poll looks at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: PullQuery = PullQuery()
    every_seconds: float = Field(default=60.0, gt=0)
    max_instances: int = Field(default=500, ge=1, le=100_000)
    max_studies: int = Field(default=2000, ge=1, le=100_000)


class WebPull(WebPeer, _Pulled):
    """An archive that is asked by QIDO-RS and answers by WADO-RS.

    Attributes:
        via: "dicomweb".
    """

    via: Literal["dicomweb"]


class DimsePull(_Pulled):
    """An archive that is asked by C-FIND, and sends by C-MOVE to our own Storage SCP, or answers by C-GET.

    Attributes:
        via: "move" or "get".
        name: what log and metrics call it.
        ae_title: its Application Entity title.
        host: name or address.
        port: TCP port.
        tls: whether it is spoken to over TLS, by `pacs.tls`.
    """

    via: Literal["move", "get"]
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    ae_title: str = Field(min_length=1, max_length=16)
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    tls: bool = False


Pull = Annotated[WebPull | DimsePull, Field(discriminator="via")]
