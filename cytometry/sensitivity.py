"""Sensitivity: what a shift becomes when the cut that it rests on lies elsewhere.

A smeared marker such as PD-1 has no valley, so that its cut is a convention. A finding that holds at any reasonable
cut is one about cells; a finding that holds at one cut is one about the cut. Every row here is the same endpoint:
there is no p, since choosing the cut by it would make it worthless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.asked import asked_of, population_of
from cytometry.compare import compare
from cytometry.errors import CompareError
from cytometry.store import Run
from cytometry.table import FRACTION_OF_PARENT, LOW_COUNT, SHEET_COLUMNS, Endpoint, as_table, unit_of
from gating.gates import Interval, Rectangle
from gating.records import GateRecord
from gating.strategy import GatingStrategy
from gating.thresholds import Cut, quantile

if TYPE_CHECKING:
    import pandas as pd

FACTORS = (0.5, 0.67, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0)
QUANTILES = (0.99, 0.995, 0.999)
OWN, FACTOR, QUANTILE, END = "own", "own times a factor", "FMO quantile", "end of the own cut's interval"
CUT_COLUMNS = (
    "cut", "kind", "at", "cut_linear", "n_control", "n_treated", "n_pairs", "mean_control", "mean_treated",
    "shift", "shift_low", "shift_high", "ratio_kind", "ratio", "ratio_low", "ratio_high", "confidence",
    "flag", "reason",
)  # fmt: skip
_COPIED = CUT_COLUMNS[4:]


@dataclass(frozen=True, slots=True)
class _Cut:
    """One way to choose the cut: ``at`` a factor, a quantile, or the tail of the own cut's interval."""

    name: str
    kind: str
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class _Tube:
    """What can be counted in one tube: its values, sorted, inside the parent and the gate's other sides.

    ``ends`` are those of the cut's interval, NaN where its rule gives none. ``fmo`` are the values of the events of FMO
    tubes, sorted; empty where there is none, with ``why``.
    """

    labels: dict[str, str]
    values: NDArray[np.float64]
    n_base: int
    above: bool
    own: float
    forward: Any
    inverse: Any
    ends: tuple[float, float]
    fmo: NDArray[np.float64]
    why: str


def sensitivity(
    run: Run,
    population: str,
    *,
    marker: str,
    factors: Sequence[float] = FACTORS,
    quantiles: Sequence[float] | None = None,
    comparison: str = "",
    treated: str = "",
    stain: str = "",
) -> pd.DataFrame:
    """Return the contrast of a population at every cut, recounted from the run's codes and events.

    The cut of each tube is moved: by factors of its own place on the linear scale; to quantiles of the FMO tubes that
    it was learnt from, or else of those that lack the marker, of the tube's own subject, batch or stain, gated to the
    same parent; and to both ends of the 95 % interval within which its rule would have cut again.
    Gates above, and other sides of the same gate, stay.

    Parameters
    ----------
    population
        The positive population, such as ``"CD8 T/PD-1+"``: an interval or rectangle with one bound on ``marker``.
    factors
        Of the own cut, on the compensated linear scale; 1 is the cut that the run made, and always there.
    quantiles
        Of the FMO, in (0, 1). If not given, those of ``QUANTILES`` for which there are FMO tubes with enough events.
    comparison, treated, stain
        Needed where the study has several comparisons, the comparison several treated levels, or several stains this
        population.

    Returns
    -------
    DataFrame
        A row per cut, columns ``CUT_COLUMNS``: where it lies (``cut_linear``, the median over tubes), the means, the
        shift in fractions of the parent, and the odds ratio, with intervals. A cut that was asked for and cannot be
        made in any tube has NaN and the reason; tubes in which it cannot are left out, which the flag says.

    Raises
    ------
    CompareError
        If the population or comparison is not there, the gate does not cut the marker once, or an option is out of
        range.
    """
    import pandas as pd

    _check(factors, quantiles or ())
    question = asked_of(run, comparison, treated=treated)
    of_stain, path = population_of(run, population, stain)
    tubes = list(_tubes(run, of_stain, path, marker, question=question))
    if not tubes:
        msg = f"no tube at {question['control']} or {question['treated']} has {path}; run.gates says why"
        raise CompareError(msg)
    rows = [_row(cut, tubes, path, question) for cut in _cuts(tubes, factors, quantiles)]
    return pd.DataFrame(rows, columns=list(CUT_COLUMNS))


def _check(factors: Sequence[float], quantiles: Sequence[float]) -> None:
    if any(not factor > 0 for factor in factors) or any(not 0 < one < 1 for one in quantiles):
        msg = f"factors lie above 0 and quantiles between 0 and 1, unlike {[*factors]} and {[*quantiles]}"
        raise CompareError(msg)


def _cuts(
    tubes: Sequence[_Tube], factors: Sequence[float], quantiles: Sequence[float] | None
) -> Iterator[_Cut]:
    for factor in sorted({*factors, 1.0}):
        yield _Cut("own", OWN, 1.0) if factor == 1 else _Cut(f"own x {factor:g}", FACTOR, factor)
    for one in sorted(QUANTILES if quantiles is None else quantiles):
        cut = _Cut(f"FMO {100 * one:g} %", QUANTILE, one)
        if quantiles is not None or any(not _placed(tube, cut)[1] for tube in tubes):
            yield cut
    if any(tube.ends[0] < tube.ends[1] for tube in tubes):
        yield _Cut("own, low end", END, 0.0)
        yield _Cut("own, high end", END, 1.0)


def _tubes(run: Run, stain: str, path: str, marker: str, *, question: dict[str, Any]) -> Iterator[_Tube]:
    """Yield what can be counted in the tubes at both levels in which the population was found."""
    levels = {question["control"], question["treated"]}
    controls: dict[Any, Any] = {}  # a control's events are read once for all the tubes that were cut by it
    for about in run.tubes.to_dict("records"):
        asked = about["kind"] == "sample" and about["stain"] == stain and about["status"] == "gated"
        if not asked or str(about[question.get("factor", "arm")]) not in levels:
            continue
        gated = run.gated(about["tube"])
        if path in gated.membership.populations:
            labels = {column: str(about[column]) for column in (*SHEET_COLUMNS, "tissue")}
            yield _tube(run, labels, path, marker=marker, controls=controls)


def _tube(run: Run, labels: dict[str, str], path: str, *, marker: str, controls: dict[Any, Any]) -> _Tube:
    gated, columns = run.gated(labels["tube"]), run.columns(labels["tube"])
    found = next(one for one in gated.strategy.populations if one.path == path)
    opened, low, high = _opened(found.gate, marker, path)
    above = np.isfinite(low)
    base = gated.membership.rows(found.parent)
    names = list(opened.dimensions)
    points = np.column_stack([columns.values(name, base) for name in names])
    inside = opened.contains(points) & np.isfinite(points).all(axis=1)
    record = next(one for one in gated.gates if one.population == path and one.marker == marker)
    fmos = _fmos(run, labels, gated.strategy, record)
    parent = record.of if fmos == record.learnt_from else found.parent
    if (fmos, parent) not in controls:
        controls[fmos, parent] = _unstained(run, fmos, parent, marker)
    fmo, why = controls[fmos, parent]
    scale = columns.dimensions[marker].scale
    return _Tube(
        labels,
        np.sort(points[inside, names.index(marker)]),
        len(base),
        bool(above),
        float(low if above else high),
        scale.forward,
        scale.inverse,
        record.value_interval,
        fmo,
        why,
    )


def _opened(gate: Any, marker: str, path: str) -> tuple[Rectangle, float, float]:
    """Return the gate without its bound on the marker, and the bound: low and high, one of them infinite."""
    if isinstance(gate, Interval):
        gate = Rectangle(gate.dimensions, (gate.low,), (gate.high,))
    if isinstance(gate, Rectangle) and marker in gate.dimensions:
        lows, highs = list(gate.lows), list(gate.highs)
        place = gate.dimensions.index(marker)
        low, high = lows[place], highs[place]
        if np.isfinite(low) != np.isfinite(high):
            lows[place], highs[place] = -np.inf, np.inf
            return Rectangle(gate.dimensions, tuple(lows), tuple(highs)), low, high
    msg = f"{path} is not cut once on {marker}, so that no cut can be moved; name a population such as 'CD8 T/PD-1+'"
    raise CompareError(msg)


def _fmos(run: Run, about: dict[str, str], strategy: GatingStrategy, record: GateRecord) -> tuple[str, ...]:
    """Return the FMO tubes that answer for a tube: those that set its cut, else any that lack the marker alone.

    Its own subject's come first, then its batch's, then its stain's; none lacks a marker on the way to the parent.
    """
    if record.source == "fmo" and record.rule == "quantile":
        return record.learnt_from
    of = {one.path: one for one in strategy.populations}
    way: set[str] = set()
    path = of[record.population].parent
    while path in of:
        way.update(getattr(of[path].gate, "dimensions", ()))
        path = of[path].parent
    tubes = run.tubes[(run.tubes["kind"] == "fmo") & (run.tubes["status"] == "gated")]
    tubes = tubes[tubes["stain"] == about["stain"]]
    lacking = [set(str(lacks).split(";")) for lacks in tubes["lacks"]]
    tubes = tubes[np.array([record.marker in lacks and not lacks & way for lacks in lacking], dtype=bool)]
    for same in ("subject", "batch"):
        near = tubes[tubes[same].astype(str) == about[same]] if about[same] else tubes[:0]
        tubes = near if len(near) else tubes
    return tuple(tubes["tube"].astype(str))


def _unstained(run: Run, tubes: Sequence[str], parent: str, marker: str) -> tuple[NDArray[np.float64], str]:
    """Return the sorted values of the controls' events inside the parent, or why there are none."""
    parts = []
    for tube in tubes:
        held = run.gated(tube).membership
        if not parent or parent in held.populations:
            values = run.columns(tube).values(marker, held.rows(parent))
            parts.append(values[np.isfinite(values)])
    if parts:
        return np.sort(np.concatenate(parts)), ""
    named = f"{', '.join(tubes)} has no {parent}" if tubes else f"there is no FMO tube that lacks {marker}"
    return np.empty(0), named


def _placed(tube: _Tube, cut: _Cut) -> tuple[float, str]:
    """Return where a cut lies in a tube, on the display scale, or why it cannot be made."""
    if cut.kind == OWN:
        return tube.own, ""
    if cut.kind == FACTOR:
        linear = float(tube.inverse(tube.own))
        why = "" if linear > 0 else f"the own cut is at {linear:.3g}, of which no factor can be taken"
        return float(tube.forward(linear * cut.at)), why
    if cut.kind == END:
        known = tube.ends[0] < tube.ends[1]
        return tube.ends[int(cut.at)], "" if known else "its rule gave the cut no interval"
    if not tube.fmo.size:
        return np.nan, tube.why
    found = quantile(tube.fmo, quantile=cut.at)
    return (found.value, "") if isinstance(found, Cut) else (np.nan, f"FMO: {found.reason}")


def _counted(tube: _Tube, at: float) -> int:
    below = int(np.searchsorted(tube.values, at, side="left"))  # a cut holds its own value: low <= x
    return tube.values.size - below if tube.above else below


def _row(cut: _Cut, tubes: Sequence[_Tube], path: str, question: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    places = []
    for tube in tubes:
        at, why = _placed(tube, cut)
        why = why or ("" if tube.n_base >= 20 else f"{tube.n_base} events in the parent, under 20")
        n = _counted(tube, at) if not why else None
        places.append(np.nan if why else float(tube.inverse(at)))
        rows.append(
            tube.labels
            | {
                "population": path,
                "marker": "",
                "statistic": FRACTION_OF_PARENT,
                "base": path.rpartition("/")[0],
                "value": np.nan if n is None else n / tube.n_base,
                "unit": unit_of(FRACTION_OF_PARENT),
                "n": n,
                "n_base": tube.n_base,
                "flag": LOW_COUNT if n is not None and tube.n_base < 50 else "",
                "reason": why,
            }
        )
    known = np.array(places)[np.isfinite(places)]
    said = {
        "cut": cut.name,
        "kind": cut.kind,
        "at": cut.at,
        "cut_linear": float(np.median(known)) if known.size else np.nan,
    }
    if not known.size:
        return said | {"reason": rows[0]["reason"], "flag": ""}
    contrast = compare(as_table(pd.DataFrame(rows)), primary=[Endpoint(path)], **question).iloc[0]
    return said | {column: contrast[column] for column in _COPIED}
