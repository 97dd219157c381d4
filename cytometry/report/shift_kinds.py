"""The figures of what a comparison rests on, as they are asked for by name: see :mod:`cytometry.report.kinds`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cytometry.asked import asked_of, population_of
from cytometry.errors import RunError
from cytometry.report.blocks import records
from cytometry.report.compare_kinds import contrasts_asked
from cytometry.report.drawing import compared, figure_of
from cytometry.report.kinds import Asked, Captioned
from cytometry.report.shift_captions import (
    course_caption,
    cuts_caption,
    embedding_caption,
    functions_caption,
    heatmap_caption,
    memory_caption,
    parts_caption,
    tree_caption,
    volcano_caption,
)
from cytometry.report.words import listed, name_of
from cytometry.table import FRACTION_OF_PARENT

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure

    from cytometry.store import Run

EMBEDDED = 5_000  # events of a UMAP or a FlowSOM, where no other number is asked for


def volcano(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw all tested contrasts of each comparison by effect and p."""
    from cytometry import plots

    return {
        f"volcano_{name}": Captioned(figure_of(plots.volcano(rows, size=asked.size)), volcano_caption(rows))
        for name, rows in contrasts_asked(run, asked).groupby("comparison", sort=False)
    }


def heatmap(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw each stain's populations over all specimens."""
    from cytometry import plots

    wanted = [asked.population] if asked.population else None
    found: dict[str, Captioned] = {}
    for stain in _stains(run, asked):
        rows = run.table[run.table["stain"] == stain]
        with _as_run_error():
            figure = plots.heat_map(rows, populations=wanted, size=asked.size)
        found[f"heatmap_{stain}"] = Captioned(figure, heatmap_caption(rows))
    return found


def functions(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw every combination of functions at the two levels that are compared, net of the background."""
    from cytometry import plots

    return _of_subsets(run, asked, plots.function_bars, "functions")


def pies(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the responders by number of functions at the two levels that are compared."""
    from cytometry import plots

    return _of_subsets(run, asked, plots.function_pies, "pies")


def memory(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw a population's fraction within each memory subset of its parent."""
    from cytometry import plots
    from cytometry.decomposition import subset_fractions

    question, stain, path = _shifted(run, asked)
    fractions = subset_fractions(run, path, comparison=asked.comparison, stain=stain)
    levels = (str(question["control"]), str(question["treated"]))
    called = " / ".join(path.split("/")[-2:])
    with _as_run_error():
        ax = plots.subset_plot(fractions, levels=levels, population=called, size=asked.size)
    return {f"memory_{_called(path)}": Captioned(figure_of(ax), memory_caption(fractions, path))}


def parts(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw how much of a shift is composition, and how much lies within the memory subsets."""
    from cytometry import plots
    from cytometry.decomposition import decompose

    _, stain, path = _shifted(run, asked)
    found = decompose(run, path, comparison=asked.comparison, stain=stain)
    title = f"{name_of(path)} of {name_of(path.rpartition('/')[0])}"
    ax = plots.part_plot(found.parts, title=title, size=asked.size)
    return {f"parts_{_called(path)}": Captioned(figure_of(ax), parts_caption(found.parts, path))}


def cuts(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw what a shift becomes at other cuts."""
    from cytometry import plots
    from cytometry.sensitivity import sensitivity

    _, stain, path = _shifted(run, asked)
    found = sensitivity(
        run, path, marker=asked.marker or _marker(run, path), comparison=asked.comparison, stain=stain
    )
    title = f"{name_of(path)} of {name_of(path.rpartition('/')[0])}"
    with _as_run_error():
        ax = plots.cut_curve(found, title=title, size=asked.size)
    return {f"cuts_{_called(path)}": Captioned(figure_of(ax), cuts_caption(found, path))}


def course(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the declared endpoints over the levels of what is compared, or over the column ``along``."""
    from cytometry import plots

    found: dict[str, Captioned] = {}
    contrasts = contrasts_asked(run, asked)
    stain = asked.options.get("stain", "")
    contrasts = contrasts[contrasts["stain"] == stain] if stain else contrasts
    chosen = contrasts[contrasts["family"] != "exploratory"]
    if asked.population:
        known = tuple(dict.fromkeys(contrasts["population"]))
        path = (
            population_of(run, asked.population, stain)[1]
            if asked.population not in known
            else asked.population
        )
        chosen = contrasts[(contrasts["population"] == path) & (contrasts["statistic"] == FRACTION_OF_PARENT)]
    for row in records(chosen):
        along = asked.options.get("along", row["factor"])
        table = compared(run, row)
        if along not in table.columns:
            msg = f"the table has no column {along!r} to draw along; it has {listed(table.columns, at_most=None)}"
            raise RunError(msg)
        with _as_run_error():
            ax = plots.course(table, row, along=along, by=asked.options.get("by", ""), size=asked.size)
        stem = f"course_{row['stain']}_{_called(row['population'])}_{row['statistic']}"
        found[stem] = Captioned(figure_of(ax), course_caption(row, along))
    if not found:
        msg = "no endpoint was declared, and no population named, of which a course could be drawn"
        raise RunError(msg)
    return found


def umap(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw a UMAP of a declared sample, coloured by population or by the marker named."""
    from cytometry import plots
    from cytometry.embedding import embed

    found: dict[str, Captioned] = {}
    for stain in _stains(run, asked):
        embedded = embed(_sample(run, asked, stain), at_most=_embedded(asked))
        colour = asked.marker or "population"
        with _as_run_error():
            ax = plots.embedding_plot(embedded, colour, size=asked.size)
        said = embedding_caption(embedded.uns["embedding"], colour)
        found[f"umap_{stain}_{colour}"] = Captioned(figure_of(ax), said)
    return found


def tree(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw FlowSOM clusters of a declared sample as a tree, shaded by the marker named."""
    import warnings
    from importlib.util import find_spec

    from cytometry import plots
    from cytometry.embedding import stained

    if find_spec("flowsom") is None:
        msg = "a tree needs FlowSOM, which is an extra: pip install 'cytometry[flowsom]'"
        raise RunError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, at import
        from flowsom import FlowSOM
        from loguru import logger

        logger.disable("flowsom")
    found: dict[str, Captioned] = {}
    for stain in _stains(run, asked):
        events = _sample(run, asked, stain)
        markers = stained(events)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            som = FlowSOM(events, cols_to_use=markers, xdim=8, ydim=8, n_clusters=12, seed=1)
        colour = asked.marker or markers[0]
        with _as_run_error():
            ax = plots.tree_plot(som, colour, size=asked.size)
        found[f"tree_{stain}_{colour}"] = Captioned(
            figure_of(ax), tree_caption(events.n_obs, markers, colour)
        )
    return found


@contextmanager
def _as_run_error() -> Iterator[None]:
    """Let what a figure cannot draw be told like any other problem of a run."""
    try:
        yield
    except ValueError as error:
        raise RunError(str(error)) from error


def _stains(run: Run, asked: Asked) -> list[str]:
    """Return the stains of the tubes that were named, or all."""
    tubes = run.tubes.set_index("tube")["stain"]
    absent = [tube for tube in asked.tubes if tube not in tubes.index]
    if absent:
        msg = f"no tube is called {absent[0]!r}"
        raise RunError(msg)
    return list(dict.fromkeys(tubes[list(asked.tubes)])) if asked.tubes else list(run.stains)


def _embedded(asked: Asked) -> int:
    """Return how many events a UMAP or a FlowSOM is made of."""
    said = asked.options.get("events", str(EMBEDDED))
    if not said.isdigit() or int(said) < 1:
        msg = f"events= is a number of events, not {said!r}"
        raise RunError(msg)
    return int(said)


def _sample(run: Run, asked: Asked, stain: str) -> AnnData:
    """Return an equal share of events of each sample tube."""
    tubes = run.tubes[
        (run.tubes["stain"] == stain) & (run.tubes["kind"] == "sample") & (run.tubes["status"] == "gated")
    ]["tube"]
    chosen = [tube for tube in tubes if not asked.tubes or tube in asked.tubes]
    if not chosen:
        msg = f"no sample tube of the stain {stain} was gated"
        raise RunError(msg)
    share = max(_embedded(asked) // len(chosen), 1)
    return run.events(asked.population, stain=stain, tubes=chosen, per_tube=share, seed=1)


def _shifted(run: Run, asked: Asked) -> tuple[dict[str, object], str, str]:
    """Return the question, and stain and path of the population named, else of the first declared endpoint."""
    question = asked_of(run, asked.comparison)
    stain = asked.options.get("stain", "")
    if asked.population:
        return (question, *population_of(run, asked.population, stain))
    declared = contrasts_asked(run, asked)
    declared = declared[declared["stain"] == stain] if stain else declared
    declared = declared[(declared["family"] != "exploratory") & (declared["statistic"] == FRACTION_OF_PARENT)]
    if declared.empty:
        msg = "name a population: no endpoint that is a fraction of its parent was declared"
        raise RunError(msg)
    first = declared.iloc[0]
    return question, str(first["stain"]), str(first["population"])


def _marker(run: Run, path: str) -> str:
    """Return the marker that a population is cut on; the first, where there are several."""
    rows = run.gates[(run.gates["population"] == path) & run.gates["value"].notna()]
    if rows.empty:
        msg = f"{name_of(path)} is not cut on a marker, so that no cut can be moved"
        raise RunError(msg)
    return str(rows["marker"].iloc[0])


def _called(path: str) -> str:
    return "_".join(path.split("/")[-2:])


def _of_subsets(run: Run, asked: Asked, draw: Callable[..., Figure], name: str) -> dict[str, Captioned]:
    from cytometry.cytokines import subtract_background
    from cytometry.subsets import subset_table

    question = asked_of(run, asked.comparison)
    net = subtract_background(subset_table(run))
    levels = (str(question["control"]), str(question["treated"]))
    parents = [asked.population] if asked.population else list(dict.fromkeys(net["base"]))
    factor = str(question.get("factor", "arm"))
    found: dict[str, Captioned] = {}
    for parent in parents:
        with _as_run_error():
            figure = draw(net, levels=levels, factor=factor, base=parent, size=asked.size)
        said = functions_caption(net, parent, pies=name == "pies")
        found[f"{name}_{name_of(parent)}"] = Captioned(figure, said)
    return found
