"""Films of a study become one report: a headline knee a side, the others listed, nothing averaged."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kneeoa.model.grades import JSON
from kneeoa.serving.study import StudyFilm, disagree, study_report, worst_grade


def knee(side: str, grade: int | None, confidence: float = 0.9) -> JSON:
    refusal: JSON = None if grade is not None else {"code": "not_frontal"}
    kl: JSON = None if grade is None else {"grade": grade}
    return {"side": side, "confidence": confidence, "refusal": refusal, "flags": ["seen"], "kl": kl}


def film(name: str, *knees: JSON, acquired: str = "", received: float = 1.0) -> StudyFilm:
    report: dict[str, JSON] = {"film": {"sop_instance_uid": f"1.2.{name}"}, "knees": [*knees]}
    return StudyFilm(name, "done", acquired, received, False, f"2.25.{name}", report)


def headlines(*films: StudyFilm) -> list[dict[str, JSON]]:
    knees = study_report("1.2", films)["knees"]
    assert isinstance(knees, list)
    return [headline for headline in knees if isinstance(headline, dict)]


def grade_of(headline: dict[str, JSON]) -> JSON:
    kl = headline["kl"]
    return kl["grade"] if isinstance(kl, dict) else None


def test_the_surest_film_of_a_side_is_the_headline_and_the_others_are_listed() -> None:
    right, left = headlines(film("a", knee("R", 2, 0.7)), film("b", knee("L", 1), knee("R", 3, 0.8)))
    assert (right["side"], right["film_id"], grade_of(right)) == ("R", "b", 3)
    assert right["sop_instance_uid"] == "1.2.b"
    assert right["other_films"] == [{"film_id": "a", "sop_instance_uid": "1.2.a", "kl_grade": 2}]
    assert (left["side"], left["other_films"]) == ("L", [])


def test_of_equally_sure_films_the_earliest_that_states_its_time_is_the_headline() -> None:
    early, late = film("b", knee("R", 1), acquired="20240101"), film("a", knee("R", 2), acquired="20240102")
    silent = film("c", knee("R", 3), received=0.0)
    assert headlines(silent, late, early)[0]["film_id"] == "b"
    assert headlines(silent, replace(late, acquired=""))[0]["film_id"] == "c"


def test_films_that_lie_two_grades_apart_are_flagged_and_one_grade_is_not() -> None:
    far, near = (study_report("1.2", [film("a", knee("R", 1)), film("b", knee("R", grade))]) for grade in (3, 2))
    assert (disagree(far), disagree(near)) == (True, False)
    (headline,) = headlines(film("a", knee("R", 1)), film("b", knee("R", 3)))
    assert headline["flags"] == ["seen", "films_disagree"]


def test_knees_without_a_side_stand_for_themselves_and_after_the_others() -> None:
    found = headlines(film("a", knee("unknown", 4), knee("unknown", 0)), film("b", knee("L", 2)))
    assert [(headline["side"], grade_of(headline)) for headline in found] == [("L", 2), ("unknown", 4), ("unknown", 0)]


def test_a_side_without_a_gradable_knee_has_no_headline_but_its_film_is_there() -> None:
    waiting = StudyFilm("w", "waiting", "", 2.0, False, None, None)
    report = study_report("1.2", [waiting, film("a", knee("R", None))])
    assert report["knees"] == []
    assert worst_grade(report) is None
    films = report["films"]
    assert isinstance(films, list)
    assert [told["state"] for told in films if isinstance(told, dict)] == ["done", "waiting"]


KNEES = st.builds(knee, st.sampled_from(["R", "L", "unknown"]), st.none() | st.integers(0, 4), st.floats(0, 1))
FILMS = st.lists(
    st.builds(
        lambda number, knees, acquired: film(str(number), *knees, acquired=acquired),
        st.integers(0, 10**6),
        st.lists(KNEES, max_size=3),
        st.sampled_from(["", "20240101", "20240102"]),
    ),
    max_size=5,
    unique_by=lambda made: made.film_id,
)


@settings(deadline=None)
@given(FILMS, st.randoms(use_true_random=False))
def test_the_order_in_which_films_come_changes_nothing(films: list[StudyFilm], order: object) -> None:
    shuffled = list(films)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random, as hypothesis makes it
    report = study_report("1.2", films)
    assert study_report("1.2", shuffled) == report
    found = headlines(*films)
    assert len([headline for headline in found if headline["side"] == "R"]) <= 1
    graded = [grade_of(headline) for headline in found]
    assert worst_grade(report) == max((grade for grade in graded if isinstance(grade, int)), default=None)
