"""How numbers and remarks are said to people, the same in every printer."""

from __future__ import annotations

from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import SideSource

SIDE_SOURCES = {
    SideSource.TAG: "side told by the object's header",
    SideSource.ORIENTATION: "side told by Patient Orientation",
    SideSource.MARKER: "side told by the marker on the film",
    SideSource.PICTURE: "side told by the picture",
    SideSource.HANGING: "side told by hanging convention only",
    SideSource.USER: "side told by the user",
    SideSource.NONE: "nothing tells the side for sure",
}
"""What told a knee's side, in words."""
NOTICE = "Made by AI. Decision support for trained readers. Not for sole diagnosis."
_BILATERAL = "bilateral"


def percent(share: float) -> str:
    """A probability in [0, 1] as a percentage; never "100%" or "0%" for what is not certain."""
    if share > 0.99:
        return ">99%"
    return "<1%" if share < 0.01 else f"{share:.0%}"


def film_remarks(grades: FilmGrades) -> tuple[str, ...]:
    """The flags of a film that a reader should see: that an object names both sides is none where both were found."""
    both = len(grades.knees) == 2
    return tuple(flag for flag in grades.flags if not (both and flag == _BILATERAL))
