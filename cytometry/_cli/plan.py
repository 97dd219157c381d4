"""``cytometry power`` and ``cytometry templates``: what is asked before a study is begun."""

from __future__ import annotations

from typing import Annotated

import typer


def power(
    control: Annotated[float, typer.Option(help="the population's fraction at control, in percent")],
    treated: Annotated[float, typer.Option(help="on treatment, in percent")],
    n: Annotated[
        int | None, typer.Option("-n", help="power of this many, instead of how many are needed")
    ] = None,
    design: Annotated[str, typer.Option(help="paired or unpaired")] = "paired",
    subject_sd: Annotated[float | None, typer.Option(help="between subjects, on the logit scale")] = None,
    visit_sd: Annotated[float | None, typer.Option(help="between visits of a subject, likewise")] = None,
    target: Annotated[float, typer.Option(help="power that is wanted")] = 0.8,
    seed: Annotated[int, typer.Option(help="the same seed gives the same answer")] = 1,
) -> None:
    """Say how many pairs, or subjects an arm, a shift needs; or the power of a given number."""
    from dataclasses import replace

    from cytometry.errors import CompareError
    from cytometry.power import Plan, subjects_needed
    from cytometry.power import power as power_of

    if design not in ("paired", "unpaired"):
        msg = f"--design is paired or unpaired, not {design!r}"
        raise typer.BadParameter(msg)
    if not (0 < control < 100 and 0 < treated < 100) or control == treated:
        msg = (
            f"--control and --treated are two different percentages between 0 and 100, such as 16.8 and 12.7, "
            f"not {control:g} and {treated:g}"
        )
        raise typer.BadParameter(msg)
    usual = Plan()
    given = {"subject": subject_sd, "visit": visit_sd}
    spread = replace(usual.spread, **{name: sd for name, sd in given.items() if sd is not None})
    try:
        plan = Plan(
            control=control / 100,
            treated=treated / 100,
            design="paired" if design == "paired" else "unpaired",
            spread=spread,
            seed=seed,
        )
        typer.echo(power_of(n, plan) if n is not None else subjects_needed(plan, target=target))
    except CompareError as error:
        raise typer.BadParameter(str(error)) from error


def templates(
    markers: Annotated[str, typer.Option(help="what was stained, joined by commas: the best fit first")] = "",
    species: Annotated[str, typer.Option(help="human or mouse")] = "",
    tissue: Annotated[str, typer.Option(help="such as PBMC, spleen, tumour")] = "",
) -> None:
    """List the built-in gating templates; with markers, how well each fits them."""
    from cytometry.study import templates as templates_for

    stained = [marker.strip() for marker in markers.split(",") if marker.strip()]
    for one in templates_for(stained, species=species, tissue=tissue):
        typer.echo(one)
