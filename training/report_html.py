"""Writes the pictures of a judgement, and one HTML page that holds everything and needs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from kneeoa.model.grades import OA_FROM_GRADE
from kneeoa.training import report_text as text
from kneeoa.training.evaluate_bootstrap import Weights, subject_weights
from kneeoa.training.evaluate_curves import receiver_operating_curve, reliability_curve, risk_coverage_curve
from kneeoa.training.evaluate_judgement import Judgement
from kneeoa.training.evaluate_predictions import Predictions
from kneeoa.training.metrics import COVERAGES, MODERATE_FROM_GRADE, named_confidence, probability_from
from kneeoa.training.report_errors import WorstError, draw_worst, find_worst
from kneeoa.training.report_figures import (
    OperatingCurve,
    draw_confusion,
    draw_reliability,
    draw_risk_coverage,
    draw_roc,
)
from kneeoa.training.report_style import DARK, LIGHT, Drawing, save_png, svg_uri

PAGE = Path(__file__).parent / "report_page.html"
STYLE = Path(__file__).parent / "report_page.css"


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """One picture of the report.

    Attributes:
        name: its file name, without the ending.
        title: what it is, with a full stop.
        alt: what stands in its place for those who cannot see it.
        caption: how to read it.
        drawing: draws it.
    """

    name: str
    title: str
    alt: str
    caption: str
    drawing: Drawing


def write_report(judgement: Judgement, out: Path) -> None:
    """Writes `report.html` and its pictures as PNG files.

    Args:
        judgement: what was found.
        out: an existing folder. `report.html` and `worst-errors.png` show films.
    """
    figures = report_figures(judgement)
    for figure in figures:
        save_png(figure.drawing, out / f"{figure.name}.png")
    errors = find_worst(judgement.predictions)
    save_png(partial(draw_worst, errors), out / "worst-errors.png", dpi=130)
    (out / "report.html").write_text(report_page(judgement, figures, errors), encoding="utf-8")


def report_figures(judgement: Judgement) -> list[ReportFigure]:
    """The pictures of a judgement but for the films, in the report's order."""
    found = judgement.predictions
    weights = subject_weights(found.subjects, judgement.draws)
    confusion = ReportFigure(
        "confusion",
        "Confusion matrix.",
        "Confusion matrix of readers' and release's grades.",
        "Rows are the readers' grades, columns the release's; the diagonal is right, next to it is one grade off.",
        partial(draw_confusion, found.truth, found.grades),
    )
    return [confusion, _roc(judgement, weights), *_reliability(found, weights), _risk_coverage(judgement, weights)]


def _roc(judgement: Judgement, weights: Weights) -> ReportFigure:
    found, curves = judgement.predictions, []
    for grade, key in ((OA_FROM_GRADE, "auc_oa"), (MODERATE_FROM_GRADE, "auc_kl3")):
        positive, called = found.truth >= grade, found.grades >= grade
        curve = receiver_operating_curve(probability_from(found.probabilities, grade), positive, weights)
        if curve is not None:
            false, hit = float(called[~positive].mean()), float(called[positive].mean())
            curves.append(OperatingCurve(f"KL ≥ {grade}", curve, judgement.metrics[key], false, hit))
    return ReportFigure(
        "roc",
        "Receiver operating characteristic.",
        "Receiver operating curves for KL of at least 2 and at least 3.",
        "Knees are ranked by the summed probability of the grades that count. Bands: 95 % of the draws at each "
        "specificity. Rings: where the named grade stands.",
        partial(draw_roc, curves),
    )


def _reliability(found: Predictions, weights: Weights) -> list[ReportFigure]:
    top = found.probabilities.max(axis=1)
    hit = np.asarray(found.probabilities.argmax(axis=1) == found.truth)
    oa = probability_from(found.probabilities, OA_FROM_GRADE)
    has_oa = np.asarray(found.truth >= OA_FROM_GRADE)
    return [
        ReportFigure(
            "reliability",
            "Reliability of the most probable grade.",
            "How often the most probable grade is right over its probability.",
            "Below the diagonal the release is surer than it is right; the mean distance is the calibration error.",
            partial(
                draw_reliability,
                reliability_curve(top, hit, weights),
                top,
                ("probability of the most probable grade", "share that is right"),
            ),
        ),
        ReportFigure(
            "reliability-oa",
            "Reliability of the probability of osteoarthritis.",
            "How often KL is at least 2 over the probability of it.",
            "Likewise for KL ≥ 2: above the diagonal it is more frequent than the release says.",
            partial(
                draw_reliability,
                reliability_curve(oa, has_oa, weights),
                oa,
                ("probability of KL ≥ 2", "share with KL ≥ 2"),
            ),
        ),
    ]


def _risk_coverage(judgement: Judgement, weights: Weights) -> ReportFigure:
    found = judgement.predictions
    curve = risk_coverage_curve(named_confidence(found.probabilities, found.grades), found.correct, weights)
    marks = [(coverage, judgement.metrics[f"selective_accuracy_{coverage}"]["value"]) for coverage in COVERAGES]
    return ReportFigure(
        "risk-coverage",
        "Risk over coverage.",
        "Share of wrong grades over coverage.",
        "Knees are ranked by the probability of the named grade. Read from right to left: what leaving the least "
        "certain knees to a reader does to the rest. A flat line would mean that confidence ranks nothing.",
        partial(draw_risk_coverage, curve, marks),
    )


def report_page(judgement: Judgement, figures: Sequence[ReportFigure], errors: Sequence[WorstError]) -> str:
    """The page as HTML.

    Args:
        judgement: what was found.
        figures: its pictures.
        errors: its worst errors, worst first.
    """
    metrics, judged = judgement.metrics, judgement.judged
    accuracy = metrics["accuracy"]
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        style=STYLE.read_text(encoding="utf-8"),
        title=escape(f"Release {judgement.release.name} judged on {judged.name}, split {judged.split}"),
        notes=text.notes(judgement),
        tiles=text.tiles(judgement),
        facts=text.fact_rows(judgement),
        interval_text=text.interval_text(judgement),
        metrics=text.metric_rows(judgement),
        accuracy=text.number(accuracy["value"]),
        balanced=text.number(metrics["balanced_accuracy"]["value"]),
        accuracy_width=text.number(accuracy["high"] - accuracy["low"]),
        knees=f"{len(judgement.predictions.knees):,}",
        figures="\n".join(figure_html(figure) for figure in figures),
        subgroups=text.subgroup_tables(judgement.subgroups),
        gate_text=text.gate_text(judgement),
        gate=text.gate_table(judgement),
        errors_text=_errors_text(judgement, errors),
        errors=text.error_cards(errors),
        unreadable=text.unreadable_list(judgement),
        release_name=escape(judgement.release.name),
        split=escape(judged.split),
        software=escape(judgement.release.software),
    )


def figure_html(figure: ReportFigure) -> str:
    """A picture with its caption, in light and dark, that needs no other file."""
    dark, light = svg_uri(figure.drawing, DARK), svg_uri(figure.drawing, LIGHT)
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(figure.alt)}"></picture>'
        f"<figcaption><b>{escape(figure.title)}</b> {escape(figure.caption)}</figcaption></figure>"
    )


def _errors_text(judgement: Judgement, errors: Sequence[WorstError]) -> str:
    wrong = int((~judgement.predictions.correct).sum())
    if not errors:
        return "No knee was graded wrongly."
    return escape(
        f"{len(errors)} of {wrong:,} wrongly graded knees: most grades off first, then the least probability of the "
        "true grade. Pictures as the network sees them, left knees mirrored. Bars are the release's probabilities in "
        "per cent; the readers' grade is blue, the release's has a red outline. This page shows films: keep it where "
        "films may be kept."
    )
