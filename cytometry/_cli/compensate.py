"""``cytometry compensate``: learn a spillover from controls, or check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytometry.ending import OK, REVIEW, SOME_FAILED, say

if TYPE_CHECKING:
    from cytometry.checking import Compensated

SHOWN = 12


def compensate(
    source: Annotated[Path, typer.Argument(help="folder of control files, or a study or its study.toml")],
    out: Annotated[Path, typer.Option("--out", "-o", help="where the matrix goes")] = Path("spillover.csv"),
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE=DETECTOR, FILE=unstained or FILE=skip, where names do not say; may be repeated"
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="also hold it against the tubes: what is left of each dye")
    ] = False,
    spillover: Annotated[Path | None, typer.Option(help="check this matrix instead of learning one")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="with --check: draw what is left, .pdf, .svg, .png")
    ] = None,
) -> None:
    """Learn a spillover from single-stain controls, with errors; with --check, see what any matrix leaves."""
    from cytometry.checking import compensate_folder, compensate_study
    from cytometry.study import read_study

    study = source / "study.toml" if source.is_dir() else source
    if study.is_file() and study.suffix.lower() != ".toml":
        msg = f"{study} is neither a folder of control files nor a study.toml"
        raise typer.BadParameter(msg)
    check = check or spillover is not None
    if study.is_file():
        if control:
            msg = "--control is for a folder of files; in a study write it in samples.csv, column stained"
            raise typer.BadParameter(msg)
        made = compensate_study(read_study(study), matrix=spillover, check=check)
    else:
        given = dict(_pair(one) for one in control or ())
        made = compensate_folder(source, given=given, matrix=spillover, check=check)
    ends = []
    for one in made:
        place = out.with_stem(f"{out.stem}_{one.name}") if len(made) > 1 else out
        found_wrong = _written(one, place, check=check, figure=figure)
        unusable = one.learnt is not None and any(said.severity == "error" for said in one.learnt.problems)
        ends.append(SOME_FAILED if unusable else REVIEW if found_wrong else OK)
    raise typer.Exit(min((end for end in ends if end), default=OK))


def _pair(text: str) -> tuple[str, str]:
    name, equals, detector = text.rpartition("=")
    if not equals or not name or not detector:
        msg = f"--control is FILE=DETECTOR, not {text!r}"
        raise typer.BadParameter(msg)
    return name, detector


def _written(one: Compensated, place: Path, *, check: bool, figure: Path | None) -> bool:
    """Write a matrix with its tables, print their paths, and say what the check proved."""
    from cytometry.residuals import residual_table, wrong
    from cytometry.spillovers import write_spillover

    if one.learnt is not None:
        say(one.learnt.problems)
        write_spillover(place, one.spillover)
        beside = place.with_stem(f"{place.stem}_coefficients")
        one.learnt.table.to_csv(beside, index=False)
        typer.echo(f"{place}\n{beside}")
    if not check:
        return False
    beside = place.with_stem(f"{place.stem}_residuals")
    residual_table(one.residuals).to_csv(beside, index=False)
    typer.echo(beside)
    if figure is not None:
        for path in _drawn(one, figure):
            typer.echo(path)
    proved = sorted(wrong(one.residuals), key=lambda r: -abs(r.slope))
    typer.echo(f"{one.source}: {len(proved)} of {len(one.residuals)} slopes prove an error", err=True)
    for r in proved[:SHOWN]:
        said = f"{r.source} into {r.detector} {100 * r.slope:+.2f} % (error {100 * r.error:.2f})"
        typer.echo(f"  {r.verdict}: {said}, in {r.kind} {r.tube}", err=True)
    return bool(proved)


def _drawn(one: Compensated, figure: Path) -> list[Path]:
    """Write the map of what is left, and the grid of events where there are single stains."""
    from cytometry.plots.compensation import residual_grid, residual_map
    from cytometry.plots.style import save

    stem = figure.with_suffix("")
    stem = stem.with_name(f"{stem.name}_{one.name}") if one.name else stem
    how = (figure.suffix.removeprefix(".").lower() or "png",)
    names = one.spillover.detectors
    paths = list(save(residual_map(one.residuals, names), stem, formats=how))
    if lights := one.single_lights():
        grid = residual_grid(lights, one.residuals, names)
        paths += save(grid, stem.with_name(f"{stem.name}_events"), formats=how)
    return paths
