"""``cytometry simulate``: a study whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def simulate(
    folder: Annotated[Path, typer.Argument(help="a new folder for the study")],
    design: Annotated[str, typer.Option(help="paired_human, two_arm_mouse, dose_time_pS6")] = "paired_human",
    scenario: Annotated[str, typer.Option(help="seed, null, small, reverse or closure")] = "seed",
    drug: Annotated[str, typer.Option(help="several arms of one study: a+b")] = "temsirolimus",
    subjects: Annotated[
        int | None, typer.Option(help="of each arm; the design's number if not given")
    ] = None,
    events: Annotated[int | None, typer.Option(help="per tube; the design's number if not given")] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same files")] = 1,
    option: Annotated[list[str] | None, typer.Option(help="what else is in it; may be repeated")] = None,
    generator: Annotated[str, typer.Option(help="first, or second: another way to draw light")] = "first",
    spillover: Annotated[str, typer.Option(help="true, slightly_wrong, missing, identity")] = "true",
    stain: Annotated[list[str] | None, typer.Option(help="only this one; may be repeated")] = None,
    panel: Annotated[str, typer.Option(help="of mice: gr1, ly6, reduced")] = "",
) -> None:
    """Write a study whose answer is known: FCS files, sheet, panel, and the planted truth."""
    from cytometry.simulate import simulate_study

    asked: dict[str, Any] = {"design": design, "scenario": scenario, "drug": drug, "panel": panel}
    asked |= {"subjects": subjects, "events": events, "seed": seed, "generator": generator}
    asked |= {"spillover": spillover, "options": tuple(option or ()), "stains": tuple(stain or ())}
    typer.echo(simulate_study(folder, **asked))
