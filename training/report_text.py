"""Tables and sentences of the report, as HTML; every value from outside is escaped here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from kneeoa.model.grades import KL_GRADES
from kneeoa.training.evaluate_bootstrap import Interval
from kneeoa.training.evaluate_data import count_subjects
from kneeoa.training.evaluate_judgement import Judgement, Subgroup
from kneeoa.training.report_errors import WorstError

# (key of metrics.json, label, what it is); a key of None opens a group.
METRIC_LINES: tuple[tuple[str | None, str, str], ...] = (
    (None, "Agreement with the readers", ""),
    ("accuracy", "Accuracy", "share of knees that get the readers' grade"),
    ("balanced_accuracy", "Balanced accuracy", "mean of the five recalls: every grade counts alike"),
    ("quadratic_weighted_kappa", "Quadratic weighted kappa", "agreement beyond chance; far mistakes weigh more"),
    ("macro_f1", "Macro F1", "mean over grades of the F1 score"),
    ("within_one_grade", "Within one grade", "share at most one grade off"),
    ("mae", "Mean absolute error", "grades, of the named grade"),
    ("mae_expected", "Mean absolute error of the expected grade", "grades, of the probability-weighted grade"),
    ("bias", "Bias", "grades; above 0 the release grades higher than the readers"),
    (None, "Radiographic osteoarthritis", ""),
    ("auc_oa", "AUC, KL ≥ 2", "chance that a knee with osteoarthritis scores above one without"),
    ("auc_kl3", "AUC, KL ≥ 3", "likewise for moderate or severe osteoarthritis"),
    ("sensitivity_oa", "Sensitivity, KL ≥ 2", "of the named grade"),
    ("specificity_oa", "Specificity, KL ≥ 2", "of the named grade"),
    (None, "Recall by grade", ""),
    *((f"recall_kl{kl}", f"Recall, KL {kl}", "") for kl in KL_GRADES),
    (None, "Confidence", ""),
    ("ece", "Calibration error (ECE)", "most probable grade, ten bins of equal mass; chance alone would show {floor}"),
    ("log_loss", "Log loss", "mean of -ln of the true grade's probability"),
    ("selective_accuracy_50", "Accuracy at 50 % coverage", "on the most confident half"),
    ("selective_accuracy_80", "Accuracy at 80 % coverage", ""),
    ("selective_accuracy_90", "Accuracy at 90 % coverage", ""),
    ("aurc", "Area under risk over coverage (AURC)", "0 is perfect; the error rate where confidence ranks nothing"),
)
HEADLINES = ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "mae", "auc_oa", "ece")
UNBOUNDED = frozenset({"mae", "mae_expected", "bias", "log_loss"})
"""Metrics that do not live in [0, 1] and get no bar."""
LABELS = {key: label for key, label, _ in METRIC_LINES if key is not None}
_NONE = "\N{EM DASH}"
_MAX_NAMED = 200


def number(value: float) -> str:
    """Three decimals with a true minus sign, or a dash where there is no value."""
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else _NONE


def bounds(one: Interval) -> str:
    """`low to high`, or a dash."""
    return f"{number(one['low'])} to {number(one['high'])}" if math.isfinite(one["low"]) else _NONE


def metric_rows(judgement: Judgement) -> str:
    """The rows of the table of figures."""
    rows = []
    for key, label, meaning in METRIC_LINES:
        if key is None:
            rows.append(f'<tr class="group"><th colspan="4">{escape(label)}</th></tr>')
            continue
        one = judgement.metrics[key]
        small = escape(meaning.format(floor=number(judgement.ece_floor)))
        bar = "" if key in UNBOUNDED else _range(one)
        rows.append(
            f"<tr><td>{escape(label)}<small>{small}</small></td><td class='number'>{number(one['value'])}</td>"
            f"<td class='number'>{bounds(one)}</td><td class='range-cell'>{bar}</td></tr>"
        )
    return "\n".join(rows)


def _range(one: Interval) -> str:
    """A bar from low to high and a stroke at the value, on a line from 0 to 1."""
    if not math.isfinite(one["value"]):
        return ""
    low, high = (one["low"], one["high"]) if math.isfinite(one["low"]) else (one["value"], one["value"])
    return (
        '<svg class="range" viewBox="-3 0 106 12" aria-hidden="true">'
        '<line x1="0" x2="100" y1="6" y2="6" stroke="var(--line)" stroke-width="1.5"/>'
        f'<line x1="{100 * low:.2f}" x2="{100 * high:.2f}" y1="6" y2="6" stroke="var(--first)" stroke-width="5"/>'
        f'<line x1="{100 * one["value"]:.2f}" x2="{100 * one["value"]:.2f}" y1="0" y2="12" stroke="var(--ink)" '
        'stroke-width="1.2"/></svg>'
    )


def tiles(judgement: Judgement) -> str:
    """The headline figures."""
    made = []
    for key in HEADLINES:
        one = judgement.metrics[key]
        made.append(
            f'<div class="tile"><span>{escape(LABELS[key])}</span><b>{number(one["value"])}</b>'
            f"<span>{bounds(one)}</span></div>"
        )
    return "".join(made)


def fact_rows(judgement: Judgement) -> str:
    """What was judged, by which release, how."""
    found, judged = judgement.predictions, judgement.judged
    grades = ", ".join(f"KL {kl}: {int((found.truth == kl).sum()):,}" for kl in KL_GRADES)
    without = sum(not subject for subject in found.subjects)
    subjects = f"{count_subjects(found.knees):,}"
    if without:
        subjects += f"; {without:,} knees tell none"
    rule = judgement.decision.rule.value.replace("_", " ")
    facts = (
        ("Release", judgement.release.name),
        ("sha256 of release.json", judgement.release.sha256),
        ("Software", f"KneeOA {judgement.release.software}"),
        ("Decision rule", f"{rule} of five probabilities, temperature {judgement.decision.temperature:.3f}"),
        ("Data", f"{judged.name} ({judged.layout}), split {judged.split}"),
        ("Knees", f"{len(found.knees):,} judged; {len(found.unreadable):,} could not be read"),
        ("Subjects", subjects),
        ("Grades by the readers", grades),
        ("Learnt from?", judgement.overlap.explanation),
    )
    return "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)


def notes(judgement: Judgement) -> str:
    """What a reader must know first: knees learnt from, no subjects, unreadable pictures, which part was judged."""
    lines = [judgement.judged.note] if judgement.judged.note else []
    if judgement.overlap.verdict == "yes":
        lines.append(judgement.overlap.explanation)
    without = sum(not subject for subject in judgement.predictions.subjects)
    if without:
        lines.append(
            f"{without:,} of {len(judgement.predictions.knees):,} knees tell no subject: intervals are "
            f"{judgement.units}. If two knees of a person are among them, the intervals are too narrow."
        )
    if judgement.predictions.unreadable:
        lines.append(
            f"{len(judgement.predictions.unreadable):,} pictures could not be read and are in no figure: see below."
        )
    return "\n".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def interval_text(judgement: Judgement) -> str:
    """How intervals were made, in a sentence or two."""
    return escape(
        f"Intervals are 95 % percentile bootstrap intervals over {judgement.draws:,} draws {judgement.units}; all "
        "knees of a drawn subject come together. A dash stands where a figure is not defined or one subject leaves "
        "no spread. Where every knee of a part is right or none is, the interval has no width, which is no certainty."
    )


def subgroup_tables(parts: Sequence[Subgroup]) -> str:
    """One table by side, one by grade, and one for each column of the set."""
    tables = []
    columns = dict.fromkeys(part.kind for part in parts if part.kind not in {"side", "grade"})
    kinds = [("side", "By side", "side "), ("grade", "By the readers' grade", "KL ")]
    for kind, caption, prefix in (*kinds, *((column, f"By {column}", "") for column in columns)):
        chosen = [part for part in parts if part.kind == kind]
        if chosen:
            rows = [(prefix + part.name, part.knees, part.metrics) for part in chosen]
            tables.append(comparison_table(caption, rows, tuple(chosen[0].metrics)))
    return "\n".join(tables)


def comparison_table(caption: str, rows: Sequence[tuple[str, int, Mapping[str, Interval]]], keys: Sequence[str]) -> str:
    """A table with one row a part and one column a metric.

    Args:
        caption: of the table.
        rows: (name, knees, metrics) of each part.
        keys: which metrics.
    """
    head = "".join(f"<th>{escape(LABELS[key])}</th>" for key in keys)
    body = []
    for name, knees, metrics in rows:
        cells = "".join(
            f"<td class='number'>{number(metrics[key]['value'])}<small>{bounds(metrics[key])}</small></td>"
            for key in keys
        )
        body.append(f"<tr><th>{escape(name)}</th><td class='number'>{knees:,}</td>{cells}</tr>")
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr><th></th><th>knees</th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def gate_text(judgement: Judgement) -> str:
    """What the gate would have done."""
    gate = judgement.gate
    return escape(
        "Serving first asks whether a picture is one framed, upright frontal knee. Of these knees it would have "
        f"graded {gate.accepted:,} and refused {gate.refused:,}. The figures above are on all knees, refused ones too."
    )


def gate_table(judgement: Judgement) -> str:
    """The headline figures on all knees and on accepted ones."""
    gate = judgement.gate
    if not gate.metrics or not gate.refused:
        return ""
    rows = [("all", len(judgement.predictions.knees), judgement.metrics), ("accepted", gate.accepted, gate.metrics)]
    return comparison_table("All and accepted knees", rows, HEADLINES)


def error_cards(errors: Sequence[WorstError]) -> str:
    """One card an error: picture, grades, probabilities."""
    cards = []
    for error in errors:
        gate = "" if error.accepted else "<br>the gate refuses it"
        cards.append(
            f'<figure><img src="{error.picture_uri()}" alt="knee {escape(error.image)}">{_probability_bars(error)}'
            f"<figcaption><b>readers {error.truth}, release {error.grade}</b><br>{escape(error.image)}{gate}"
            "</figcaption></figure>"
        )
    return "\n".join(cards)


def _probability_bars(error: WorstError) -> str:
    said = ", ".join(f"KL {kl} {p:.0%}" for kl, p in enumerate(error.probabilities))
    parts = [f'<svg viewBox="0 0 150 62" role="img" aria-label="{said}">']
    for kl, p in enumerate(error.probabilities):
        left, height = 30 * kl + 3, max(34 * p, 0.8)
        label = "var(--first)" if kl == error.truth else "var(--second)" if kl == error.grade else "var(--quiet)"
        weight = "bold" if kl in {error.truth, error.grade} else "normal"
        fill = "var(--first)" if kl == error.truth else "var(--line)"
        edge = "var(--second)" if kl == error.grade else "none"
        parts.append(
            f'<rect x="{left}" y="{48 - height:.1f}" width="24" height="{height:.1f}" fill="{fill}" stroke="{edge}" '
            f'stroke-width="2"/><text x="{left + 12}" y="{44 - height:.1f}" text-anchor="middle" font-size="8.5" '
            f'fill="var(--ink)">{100 * p:.0f}</text><text x="{left + 12}" y="59" text-anchor="middle" font-size="9" '
            f'font-weight="{weight}" fill="{label}">{kl}</text>'
        )
    return "".join([*parts, "</svg>"])


def unreadable_list(judgement: Judgement) -> str:
    """The pictures that could not be read, by file name and reason."""
    lost = judgement.predictions.unreadable
    if not lost:
        return ""
    items = "".join(f"<li><code>{escape(u.image)}</code>: {escape(u.code)}</li>" for u in lost[:_MAX_NAMED])
    more = f"<p>… and {len(lost) - _MAX_NAMED:,} more: see metrics.json.</p>" if len(lost) > _MAX_NAMED else ""
    return f"<h2>Pictures that could not be read</h2><ul>{items}</ul>{more}"
