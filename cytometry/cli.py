"""The command line. Each verb calls one public function; data go to stdout, messages to stderr.

Exit codes: 0 fine, 1 our bug, 2 usage, 3 the study is invalid, 4 some tubes failed and the rest finished,
5 finished but needs review (``--strict``), 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cytometry._cli.compensate import compensate
from cytometry._cli.plan import power, templates
from cytometry._cli.simulate import simulate
from cytometry.ending import (
    BUG,
    INTERRUPTED,
    INVALID,
    OK,
    REVIEW,
    SOME_FAILED,
    USAGE,
    finish_cohort,
    finish_study,
    say,
    usage_or_bug,
)
from cytometry.errors import CytometryError, Problem, StudyError
from cytometry.report.kinds import KINDS

if TYPE_CHECKING:
    from cytometry.store import Run

__all__ = ["BUG", "INTERRUPTED", "INVALID", "OK", "REVIEW", "SOME_FAILED", "USAGE", "app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From FCS files to a defensible comparison: gate, measure, compare, report.",
)
StudyPath = Annotated[Path, typer.Argument(help="study.toml, or the folder that holds it")]
GivenGates = Annotated[
    Path | None, typer.Option(help="gate a folder by given gates: .json, Gating-ML .xml, FlowJo .wsp")
]
GivenSpillover = Annotated[
    Path | None, typer.Option(help="with --strategy: compensate by this table, not by each file's own")
]
OutPath = Annotated[Path, typer.Argument(help="result folder of a run")]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        import cytometry

        typer.echo(f"cytometry {cytometry.__version__}")
        raise typer.Exit(OK)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="where to put the study and its results")] = Path("demo"),
    subjects: Annotated[int, typer.Option(help="donors, each before and on treatment")] = 12,
    events: Annotated[int, typer.Option(help="events per tube")] = 20_000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same files")] = 1,
    jobs: Annotated[int, typer.Option("-j", help="processes that learn and gate side by side")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress")] = False,
) -> None:
    """Simulate a paired temsirolimus study, run it whole, and print the path of its report."""
    from cytometry.simulate import simulate_study

    study = simulate_study(folder, subjects=subjects, events=events, seed=seed)
    typer.echo(f"simulated {subjects} donors, {events:,} events a tube, seed {seed}: {study}", err=True)
    finished, told = _run(study, folder / "results", jobs=jobs, quiet=quiet)
    finish_study(finished, told, strict=False)
    typer.echo("next: cytometry init FOLDER_OF_YOUR_FCS_FILES", err=True)


app.command()(simulate)
app.command()(templates)
app.command()(power)


@app.command()
def init(
    fcs_dir: Annotated[Path, typer.Argument(help="folder of FCS files")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="where to write; else the same folder")
    ] = None,
) -> None:
    """Guess panel, tubes and subjects from the headers, write study.toml, samples.csv and panel.csv."""
    from cytometry.study import init_study

    path, guesses = init_study(fcs_dir, out=out)
    for guess in guesses:
        typer.echo(f"guessed: {guess}", err=True)
    typer.echo(path)
    typer.echo(f"next: mend what is wrong in it, then  cytometry check {path}", err=True)


app.command()(compensate)


@app.command()
def check(
    study: StudyPath,
    as_json: Annotated[bool, typer.Option("--json", help="problems as JSON on stdout")] = False,
) -> None:
    """Read headers only and list everything that is wrong or worth knowing, at once."""
    from cytometry.study import check_study

    problems = check_study(_study_file(study))
    if as_json:
        typer.echo(json.dumps([problem.to_dict() for problem in problems], indent=1))
    else:
        say(problems)
        errors = sum(problem.severity == "error" for problem in problems)
        typer.echo(f"{errors} errors, {len(problems) - errors} warnings", err=True)
    raise typer.Exit(INVALID if any(problem.severity == "error" for problem in problems) else OK)


@app.command()
def run(
    study: Annotated[
        Path,
        typer.Argument(help="study.toml, its folder, or a folder of FCS files with --template or --strategy"),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="result folder")] = None,
    template: Annotated[
        str | None, typer.Option(help="gate a folder without a study file by this template")
    ] = None,
    strategy: GivenGates = None,
    spillover: GivenSpillover = None,
    jobs: Annotated[int, typer.Option("-j", help="processes that learn and gate side by side")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="address of a Dask scheduler, whose workers do it instead")
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="exit 5 where a gate abstained or a tube needs a look")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress")] = False,
) -> None:
    """Gate every tube, measure, compare, and write the report; what an earlier run has done stands."""
    if template and strategy:
        msg = "--template or --strategy: gates are learnt, or given"
        raise typer.BadParameter(msg)
    if spillover and not strategy:
        msg = "--spillover goes with --strategy; a study names its own in study.toml"
        raise typer.BadParameter(msg)
    if strategy is not None:
        from cytometry.cohort import gate_cohort
        from cytometry.progress import progress

        how: dict[str, Any] = {"spillover": spillover, "jobs": jobs, "scheduler": scheduler}
        with progress(quiet=quiet) as tell:
            made = gate_cohort(study, strategy, out=out or study / "gated", **how, progress=tell)
        finish_cohort(made)
        return
    if template is not None:
        from cytometry.pipeline import gate_folder
        from cytometry.progress import progress

        with progress(quiet=quiet) as tell:
            finished = gate_folder(study, template, out=out, jobs=jobs, scheduler=scheduler, progress=tell)
        finish_study(finished, (), strict=strict)
        return
    path = _study_file(study)
    finished, told = _run(path, out or path.parent / "results", jobs=jobs, scheduler=scheduler, quiet=quiet)
    finish_study(finished, told, strict=strict)


@app.command()
def show(
    out: OutPath,
    tube: Annotated[str | None, typer.Argument(help="one tube: its populations with counts")] = None,
    population: Annotated[
        str | None, typer.Argument(help="one population: where its gate lies and why")
    ] = None,
) -> None:
    """Print a run, a tube's tree with counts, or why a gate lies where it does."""
    from cytometry.console import describe
    from cytometry.store import open_run

    typer.echo("\n".join(describe(open_run(out), tube, population)))


@app.command()
def figure(
    out: OutPath,
    kind: Annotated[str, typer.Argument(help="; ".join(f"{k.name}: {k.says}" for k in KINDS.values()))],
    tube: Annotated[
        str | None, typer.Option(help="tubes, joined by commas; the representative ones if not given")
    ] = None,
    population: Annotated[str | None, typer.Option(help="whose gate, events or endpoint")] = None,
    marker: Annotated[str | None, typer.Option(help="one marker, or two joined by a comma")] = None,
    size: Annotated[str, typer.Option(help="nature1, nature2 or slide")] = "nature2",
    events: Annotated[str, typer.Option(help="how drawn: auto, pseudocolour, contour, dots")] = "auto",
    comparison: Annotated[str, typer.Option(help="which, where the study has several")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="what one kind alone takes, as name=value; may be repeated; "
            + "; ".join(f"{k.name}: {', '.join(k.options)}" for k in KINDS.values() if k.options)
        ),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="pdf, svg, png, joined by commas")] = "pdf,svg,png",
) -> None:
    """Draw one figure at journal size into OUT/figures and print its paths."""
    from cytometry.report import write_figure
    from cytometry.store import open_run

    odd = [part for part in option or () if "=" not in part]
    if odd:
        msg = f"--option takes name=value, not {odd[0]!r}"
        raise typer.BadParameter(msg)
    how: dict[str, Any] = {"population": population, "marker": marker, "size": size, "events": events}
    how |= {"comparison": comparison, "options": dict(part.split("=", 1) for part in option or ())}
    wanted = tuple(part.strip() for part in formats.split(","))
    for path in write_figure(open_run(out), kind, tubes=_split(tube), **how, formats=wanted):
        typer.echo(path)


@app.command()
def export(
    out: OutPath,
    to: Annotated[
        str, typer.Option(help="h5ad or csv: events; xlsx, prism or miflowcyt: the tables of the run")
    ] = "h5ad",
    population: Annotated[str, typer.Option(help="the events to export; all if not given")] = "",
    stain: Annotated[str | None, typer.Option(help="the stain, where the run has several")] = None,
    tube: Annotated[
        str | None, typer.Option(help="tubes, joined by commas; all samples if not given")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="where to write; OUT/export if not given")
    ] = None,
) -> None:
    """Write every event of a population as AnnData, or the tables and events as CSV."""
    from cytometry.export import export_events
    from cytometry.store import open_run

    finished = open_run(out)
    for path in export_events(
        finished, to=to, population=population, stain=stain, tubes=_split(tube), folder=folder
    ):
        typer.echo(path)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        code = INTERRUPTED
    except StudyError as error:
        say(error.problems)
        code = INVALID
    except CytometryError as error:
        typer.echo(f"error: {error}", err=True)
        code = INVALID
    except Exception as error:
        code = usage_or_bug(error)
    sys.exit(code or OK)


def _run(
    study: Path, out: Path, *, jobs: int, quiet: bool, scheduler: str | None = None
) -> tuple[Run, Sequence[Problem]]:
    """Run a study, and return also what was said of it before."""
    from cytometry.pipeline import run as run_study
    from cytometry.progress import progress
    from cytometry.study import read_study

    found = read_study(study)
    say(found.warnings)
    with progress(quiet=quiet) as tell:
        said = {"study": str(study)}
        finished = run_study(found, out, jobs=jobs, scheduler=scheduler, progress=tell, arguments=said)
    return finished, found.warnings


def _study_file(path: Path) -> Path:
    return path / "study.toml" if path.is_dir() else path


def _split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))
