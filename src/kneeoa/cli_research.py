"""The commands of who retrains: two releases held against each other, and one against worse films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

DATA_HELP = "Folder in the published layout, a CSV or Parquet table, or a YAML file that names a cohort."
Data = Annotated[Path, typer.Argument(help=DATA_HELP)]
Split = Annotated[str, typer.Option(help="Which part judges.")]


def add_research_commands(app: typer.Typer) -> None:
    """Adds `compare` and `robustness` to the command line."""
    app.command()(compare)
    app.command()(robustness)


def compare(
    first: Annotated[str, typer.Argument(help="Name or folder of the release that the other is held against.")],
    second: Annotated[str, typer.Argument(help="Name or folder of the other.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, comparison.html and pictures; no films.")],
    split: Split = "val",
) -> None:
    """Hold two releases against each other on the same knees, paired by subject; 1 where pictures could not be read."""
    from kneeoa.model.grader import KneeGrader
    from kneeoa.training.compare import compare as judge
    from kneeoa.training.compare import write_comparison

    found = write_comparison(judge(KneeGrader.load(first), KneeGrader.load(second), data, split), out)
    typer.echo(json.dumps(found, indent=1, allow_nan=False))
    raise typer.Exit(1 if found["unreadable"] else 0)


def robustness(
    release: Annotated[str, typer.Argument(help="Name or folder of a release.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for robustness.json and robustness.png; no films.")],
    split: Split = "val",
) -> None:
    """Judge a release on films made worse step by step: exposure, blur, noise, JPEG, turns, shifts, size, inversion."""
    from kneeoa.model.grader import KneeGrader
    from kneeoa.training.evaluate_data import read_judged
    from kneeoa.training.robustness import robustness_curves, robustness_json, write_robustness

    knees = read_judged(data, split).knees
    points = robustness_curves(KneeGrader.load(release), knees)
    out.mkdir(parents=True, exist_ok=True)
    write_robustness(points, knees, out)
    typer.echo(json.dumps(robustness_json(points), indent=1, allow_nan=False))
