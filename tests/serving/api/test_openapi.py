"""Whatever the OpenAPI document allows, and what it forbids, is answered as the document says; nothing is a 5xx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.serving.server import RELATED, Server, related
from tests.serving.service_films import write_film

CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
Operation = schemathesis.schemas.APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]
EVENTS, UPLOADS = "/v1/events", {"/v1/grade", "/dicomweb/studies"}


@dataclass(frozen=True, slots=True)
class Known:
    """What the service really holds.

    Attributes:
        server: the service.
        operations: of its own document.
        places: values of path parameters that lead somewhere.
        film: a good one.
    """

    server: Server
    operations: list[Operation]
    places: dict[str, str]
    film: bytes


@pytest.fixture(scope="module")
def known(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Known:
    film = write_film(tmp_path_factory.mktemp("films") / "film.dcm", seed=3).read_bytes()
    study = server.stow(film).json()["00081190"]["Value"][0]
    server.settle()
    film_id = server.client.get(study).json()["films"][0]["film_id"]
    schema = schemathesis.openapi.from_dict(server.client.get("/openapi.json").json())
    operations = [cast("Ok[Operation]", found).ok() for found in schema.get_all_operations()]
    return Known(server, operations, {"study_uid": study.rpartition("/")[2], "film_id": film_id}, film)


@schemathesis.serializer("multipart/related")
def serialized_parts(_context: object, value: object) -> bytes:
    """One part, whose boundary `ask` puts into the header."""
    return related(value if isinstance(value, bytes) else str(value).encode())


@schemathesis.serializer("application/dicom", "image/png", "image/jpeg")
def serialized_film(_context: object, value: object) -> bytes:
    """The film itself."""
    return value if isinstance(value, bytes) else str(value).encode()


def bounded(given: object, low: int, high: int) -> object:
    """A parameter of an endless answer, as short as can be where the service would take it."""
    text = str(given)
    taken = given is None or (text.isascii() and text.isdigit() and low <= int(text) <= high)
    return low if taken else given


def ask(known: Known, case: Case, real: bool) -> None:
    """Sends a request, of places and films that are there if it is to be a real one, and looks at the answer."""
    operation = case.operation
    if real:
        case.path_parameters.update({k: v for k, v in known.places.items() if k in case.path_parameters})
        if operation.path in UPLOADS:
            case.body = known.film
    if operation.path == EVENTS:
        case.query["most"] = bounded(case.query.get("most"), 1, 10_000)
        case.headers["last-event-id"] = str(bounded(case.headers.get("last-event-id"), 0, 10**15))
    if case.media_type is not None and case.media_type.startswith("multipart/related"):
        case.headers["Content-Type"] = RELATED
    answer = case.call(base_url=str(known.server.client.base_url), timeout=120)
    assert answer.status_code < 500 or (answer.status_code == 503 and "retry-after" in answer.headers), answer.text
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 400:
        assert answer.headers["content-type"][0] in {"application/problem+json", "application/dicom+json"}


@pytest.mark.parametrize(("each", "least"), [(4, 100), pytest.param(90, 2000, marks=pytest.mark.soak)])
def test_requests_made_from_the_document_are_answered_as_it_says(known: Known, each: int, least: int) -> None:
    limits = settings(
        max_examples=each,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    asked = 0
    for operation in known.operations:
        # Where everything is allowed, as bytes are, nothing wrong can be made.
        strict = any(operation.iter_parameters()) or (operation.body and operation.path not in UPLOADS)
        for mode in [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if strict else [])]:

            @limits
            @given(operation.as_strategy(generation_mode=mode), st.booleans())
            def each_of(case: Case, real: bool) -> None:
                nonlocal asked
                asked += 1
                ask(known, case, real)

            each_of()
    assert asked >= least
    assert known.server.grade(known.film).status_code == 200
