"""The image library of a Structured Report (PS3.16 TID 1600): which film was read, and how large it is."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
)
from pydicom.sr.codedict import codes as standard

from kneeoa.serving.results.facts import PIXEL
from kneeoa.serving.results.result_object import ResultSource

_ROWS, _COLUMNS = standard.DCM.PixelDataRows, standard.DCM.PixelDataColumns


def image_library(films: Sequence[ResultSource]) -> ContainerContentItem:
    """The library of these films. highdicom's own wants orientation and spacing, which many films do not state."""
    group = _container(standard.DCM.ImageLibraryGroup, [_image(of) for of in films])
    return _container(standard.DCM.ImageLibrary, [group])


def _image(of: ResultSource) -> ImageContentItem:
    image = ImageContentItem(
        standard.SCT.Source,
        of.film.sop_class_uid,
        of.film.sop_instance_uid,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    unit = CodedConcept(PIXEL.value, "UCUM", PIXEL.meaning)
    sizes = [(name, size) for name, size in ((_ROWS, of.film.rows), (_COLUMNS, of.film.columns)) if size is not None]
    if sizes:
        image.ContentSequence = ContentSequence(
            [
                NumContentItem(name, size, unit, relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT)
                for name, size in sizes
            ]
        )
    return image


def _container(name: CodedConcept, content: Sequence[ImageContentItem | ContainerContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, relationship_type=RelationshipTypeValues.CONTAINS)
    container.ContentSequence = ContentSequence(content)
    return container
