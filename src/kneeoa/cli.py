"""The command line: one verb a job, each a few lines around a library call.

Results go to stdout, progress and complaints to stderr. Exit status: 0 done, 1 some inputs failed, 2 wrong use.
Heavy imports wait inside the commands, so that `kneeoa --help` is quick and grading never loads torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kneeoa import __version__
from kneeoa.cli_archive import ARCHIVE_COMMANDS, add_archive_commands
from kneeoa.cli_research import DATA_HELP, add_research_commands
from kneeoa.cli_serve import SERVICE_COMMANDS, add_commands
from kneeoa.datasets.phantom_choices import (
    FilmObject,
    LateralityStatement,
    PhantomKind,
    PhotometricInterpretation,
    SpacingStatement,
    ViewStatement,
    Window,
)
from kneeoa.model.errors import KneeOAError
from kneeoa.model.radiograph import Side

if TYPE_CHECKING:
    from kneeoa.model.grades import FilmGrades

app = typer.Typer(
    name="kneeoa",
    help="Grades osteoarthritis on plain knee radiographs. Decision support for trained readers, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
datasets_app = typer.Typer(help="Graded knee sets.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")
add_commands(app)
add_archive_commands(app)
add_research_commands(app)
_STORAGE, _GREY, _HEADER, _LIES = "How it is stored", "What its grey values mean", "What its header says", "How it lies"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kneeoa {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Grades osteoarthritis on plain knee radiographs."""


@app.command()
def grade(
    inputs: Annotated[
        list[Path], typer.Argument(help="DICOM, PNG or JPEG files, or folders of them.", metavar="FILE|DIR...")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file on stdout.")] = False,
    overlay: Annotated[Path | None, typer.Option(help="Folder for one overlay PNG a film.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write the JSON into this file.")] = None,
    sr: Annotated[Path | None, typer.Option(help="Folder for one DICOM Structured Report a film.")] = None,
    sc: Annotated[Path | None, typer.Option(help="Folder for one DICOM Secondary Capture a film.")] = None,
    fhir: Annotated[Path | None, typer.Option(help="Folder for one FHIR Bundle a film.")] = None,
    codes: Annotated[Path | None, typer.Option(help="YAML file of a site's own codes for these three.")] = None,
    side: Annotated[Side | None, typer.Option(help="The patient's side, where the file does not say it.")] = None,
    spacing_mm: Annotated[float | None, typer.Option(min=0.001, max=5.0, help="Pixel spacing, likewise.")] = None,
    release: Annotated[str, typer.Option(help="Name of a shipped release, or a release's folder.")] = "kneeoa-6",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Grade films: a table, or JSON, one result a film; what cannot be graded says why."""
    from kneeoa.model.grader import KneeGrader
    from kneeoa.serving.grade_files import Outputs, Statements, find_files, grade_files

    files = find_files(inputs)
    if not files:
        _fail("there is no file to grade in what was named")
    stated = None if side is Side.UNKNOWN else side
    grader = KneeGrader.load(release, device)
    reports = []
    outputs = Outputs(overlay, sr, sc, fhir, codes)
    for found in grade_files(grader, files, Statements(stated, spacing_mm), outputs):
        reports.append(found)
        if as_json:
            sys.stdout.write(json.dumps(found.to_json(), ensure_ascii=False) + "\n")
    if not as_json:
        _print_table(reports)
    if report is not None:
        objects = [found.to_json() for found in reports]
        text = json.dumps(objects[0], indent=1) if len(objects) == 1 else "\n".join(map(json.dumps, objects))
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(text + "\n", encoding="utf-8")
    for why in outputs.missed:
        typer.echo(f"kneeoa: {why}", err=True)
    unread = any(r.refusal is not None and r.refusal.is_read_error for r in reports)
    raise typer.Exit(1 if unread or outputs.missed else 0)


def _print_table(reports: Sequence[FilmGrades]) -> None:
    from rich.console import Console

    from kneeoa.serving.results.table import refusal_notes, results_table

    console = Console()
    console.print(results_table(reports))
    for note in refusal_notes(reports):
        console.print(note)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="The DICOM file to write.")],
    kind: Annotated[PhantomKind, typer.Option(help="What is on the film.")] = PhantomKind.FRAMED,
    side: Annotated[Side, typer.Option(help="R or L, of a framed knee.")] = Side.RIGHT,
    kl: Annotated[int, typer.Option("--grade", min=0, max=4, help="Nominal KL grade.")] = 2,
    left_kl: Annotated[
        int | None, typer.Option("--left-grade", min=0, max=4, help="Of the left knee, where there are two.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another knee.")] = 1,
    medial_jsw_mm: Annotated[float | None, typer.Option(help="Joint space width of a framed knee, 0 to 8.")] = None,
    lateral_jsw_mm: Annotated[float | None, typer.Option(help="Likewise of its lateral compartment.")] = None,
    long_side: Annotated[int, typer.Option(help="Pixels, of films that are not framed.", min=64, max=16384)] = 3000,
    implants: Annotated[float, typer.Option(help="Share of knees with an implant, likewise.", min=0, max=1)] = 0.0,
    modality: Annotated[FilmObject, typer.Option(help="The kind of object.", rich_help_panel=_STORAGE)] = FilmObject.DX,
    syntax: Annotated[
        str, typer.Option(help="Transfer syntax: its UID, or a name such as jpeg-lossless.", rich_help_panel=_STORAGE)
    ] = "explicit",
    bits: Annotated[int, typer.Option(help="Bits Stored, 8 to 16.", rich_help_panel=_STORAGE)] = 12,
    allocated: Annotated[
        int | None, typer.Option(help="Bits Allocated: 8 or 16; by default what is enough.", rich_help_panel=_STORAGE)
    ] = None,
    high_bit: Annotated[int | None, typer.Option(help="Default: Bits Stored - 1.", rich_help_panel=_STORAGE)] = None,
    signed: Annotated[bool, typer.Option("--signed", help="Signed pixels.", rich_help_panel=_STORAGE)] = False,
    photometric: Annotated[
        PhotometricInterpretation, typer.Option(help="Grey, or grey as colour.", rich_help_panel=_GREY)
    ] = PhotometricInterpretation.MONOCHROME2,
    window: Annotated[Window, typer.Option(help="The VOI transformation.", rich_help_panel=_GREY)] = Window.LINEAR,
    slope: Annotated[float, typer.Option(help="Rescale Slope.", rich_help_panel=_GREY)] = 1.0,
    intercept: Annotated[float, typer.Option(help="Rescale Intercept.", rich_help_panel=_GREY)] = 0.0,
    modality_lut: Annotated[
        bool, typer.Option("--modality-lut", help="A table in place of the rescale.", rich_help_panel=_GREY)
    ] = False,
    padding: Annotated[int, typer.Option(help="Border of Pixel Padding, in pixels.", rich_help_panel=_GREY)] = 0,
    spacing_origin: Annotated[
        SpacingStatement, typer.Option(help="Which pixel spacing is stated.", rich_help_panel=_HEADER)
    ] = SpacingStatement.BOTH,
    laterality_by: Annotated[
        LateralityStatement, typer.Option(help="What tells the side.", rich_help_panel=_HEADER)
    ] = LateralityStatement.IMAGE_LATERALITY,
    view_by: Annotated[
        ViewStatement, typer.Option(help="What tells the view.", rich_help_panel=_HEADER)
    ] = ViewStatement.BOTH,
    body_part: Annotated[
        str | None,
        typer.Option(help="Body Part Examined; '' states none.", rich_help_panel=_HEADER),
    ] = None,
    age: Annotated[int, typer.Option(help="Years; -1 states none.", min=-1, rich_help_panel=_HEADER)] = 64,
    rotate: Annotated[int, typer.Option(help="Degrees clockwise: 0, 90, 180, 270.", rich_help_panel=_LIES)] = 0,
    mirror: Annotated[bool, typer.Option("--mirror", help="Left to right, first.", rich_help_panel=_LIES)] = False,
    orientation: Annotated[
        bool, typer.Option(help="Whether Patient Orientation says, truly, how it lies.", rich_help_panel=_LIES)
    ] = True,
) -> None:
    """Write a synthetic film as a DICOM object, stored and described as asked; no patient is behind it."""
    from kneeoa.datasets.film_truth import FilmKind
    from kneeoa.datasets.phantom import PhantomSpec
    from kneeoa.datasets.phantom_encoding import FilmEncoding
    from kneeoa.datasets.phantom_films import BODY_PARTS, FilmSpec
    from kneeoa.datasets.phantom_variants import write_variant
    from kneeoa.datasets.transfer_syntax import syntax_uid

    try:
        encoding = FilmEncoding(
            film_object=modality,
            transfer_syntax=syntax_uid(syntax),
            photometric=photometric,
            bits_stored=bits,
            bits_allocated=allocated or (8 if bits == 8 else 16),
            high_bit=high_bit,
            signed=signed,
            rescale_slope=slope,
            rescale_intercept=intercept,
            modality_lut=modality_lut,
            window=window,
            padding_px=padding,
            spacing=spacing_origin,
            laterality=laterality_by,
            view=view_by,
            rotation_degrees=rotate,
            mirrored=mirror,
            patient_orientation=orientation,
            body_part=(BODY_PARTS.get(kind.value, "KNEE") if body_part is None else body_part) or None,
            age_years=None if age < 0 else age,
        )
        spec: PhantomSpec | FilmSpec
        if kind is PhantomKind.FRAMED:
            spec = PhantomSpec(side, kl, seed, medial_jsw_mm=medial_jsw_mm, lateral_jsw_mm=lateral_jsw_mm)
        else:
            spec = FilmSpec(FilmKind(kind), kl, kl if left_kl is None else left_kl, seed, long_side, implants)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_variant(spec, encoding, out)
    except ValueError as error:
        _fail(str(error))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A YAML file such as configs/kl.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as data.root=DIR.")] = None,
) -> None:
    """Train a KL network, once or by folds; started again with the same `out`, it goes on where it was stopped."""
    from kneeoa.configs.schema import load_config
    from kneeoa.training.cross_validate import cross_validate
    from kneeoa.training.train import train as run

    resolved = load_config(config, overrides or ())
    if resolved.data.folds and resolved.data.fold is None:
        typer.echo(json.dumps(cross_validate(resolved).to_json(), indent=1, allow_nan=False))
        return
    progress = run(resolved)
    typer.echo(f"best score on held: {progress.best:.4f} after {len(progress.history)} epochs")


@app.command()
def export(
    runs: Annotated[list[Path], typer.Argument(help="The folder of a run; of several, the mean network is released.")],
    name: Annotated[str, typer.Option(help="Name of the release.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write into; default: the shipped releases.")] = None,
) -> None:
    """Turn a run into a release: ONNX, calibration, decision rule, gate, hashes."""
    from kneeoa.training.release import export_runs

    typer.echo(str(export_runs(runs, name, out)))


@app.command()
def evaluate(
    release: Annotated[str, typer.Argument(help="Name or folder of a release.")],
    data: Annotated[Path, typer.Argument(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="Folder for report, metrics, predictions and pictures; some show films.")],
    split: Annotated[str, typer.Option(help="Which part judges.")] = "val",
    joint_space: Annotated[
        Path | None, typer.Option(help="Folder of outlines; judges the joint space on the crops of DATA by name.")
    ] = None,
) -> None:
    """Judge a release on graded knees, with 95 % intervals by subject; 1 where some pictures could not be read."""
    if joint_space is not None:
        from kneeoa.training.evaluate_joint_space import evaluate_joint_space

        typer.echo(json.dumps(evaluate_joint_space(release, data, joint_space, out, split), indent=1))
        return
    from kneeoa.training.evaluate import evaluate as judge

    found = judge(release, data, out, split)
    typer.echo(json.dumps(found, indent=1, allow_nan=False))
    raise typer.Exit(1 if found["unreadable"] else 0)


@app.command()
def outline(
    crops: Annotated[Path, typer.Argument(help="Folder of knee crops named <subject><L or R>.")],
    out: Annotated[Path, typer.Option(help="Folder for one JSON file of curves a crop; no pixels.")],
    author: Annotated[str, typer.Option(help="Who draws; written into every file.")] = "",
    release: Annotated[str, typer.Option(help="Release whose network proposes the curves.")] = "kneeoa-6",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On the loopback address; 0 takes a free one.")] = 8765,
) -> None:
    """Open a page on this machine alone for drawing and correcting the edges of joint spaces."""
    from kneeoa.training.evaluate_joint_space import load_meter
    from kneeoa.training.outline_desk import desk_server, open_desk

    with desk_server(open_desk(crops, out, load_meter(release)[0], author), port) as server:
        typer.echo(f"Draw at http://127.0.0.1:{server.server_address[1]}/ ; stop with Ctrl+C.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")


@datasets_app.command()
def check(
    data: Annotated[Path, typer.Argument(help=DATA_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Report leaks across splits, duplicates (also mirrored), unreadable and constant images."""
    from kneeoa.datasets.checks import check_dataset
    from kneeoa.training.graded_sets import read_set

    graded = read_set(data, subject_required=True)
    if graded.note:
        typer.echo(graded.note, err=True)
    found = check_dataset(graded.knees)
    typer.echo(json.dumps(found.to_json(), indent=1) if as_json else "\n".join(found.lines()))
    raise typer.Exit(0 if found.ok else 1)


def _fail(message: str) -> None:
    typer.echo(f"kneeoa: {message}", err=True)
    raise typer.Exit(2)


def _extra() -> str:
    """The extra that the command on this command line needs."""
    if set(sys.argv[1:2]) & ARCHIVE_COMMANDS:
        return "archive"
    return "serve" if set(sys.argv[1:2]) & {*SERVICE_COMMANDS, "grade"} else "train"


def main() -> None:
    """Runs the command; an error of ours, or a missing extra, is one line on stderr and status 2."""
    try:
        app()
    except KneeOAError as error:
        typer.echo(f"kneeoa: {error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "kneeoa").startswith("kneeoa"):
            raise
        typer.echo(f"kneeoa: {error.name} is not installed; run: pip install 'kneeoa[{_extra()}]'", err=True)
        sys.exit(2)
