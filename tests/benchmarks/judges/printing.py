"""Printing: the scores of a data set as one table of text, and as numbers for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scoring import JudgedSet, error_of_median, median

LEGEND = (
    "F1 of the whole path, median over tubes with 100 reference events or more, ± its bootstrap error; "
    "alone: our gates of\nthe last step on the true events above; best: the best attainable thresholds there; "
    "gap: best - alone; diff: ours minus\nreference in % of parent, mean ± standard error over all tubes; "
    "count: median count error; abst.: tubes without the gate. Real sets are learnt, and FlowSOM run, with seed 1.\n"
    "Chance: a random gate of a share q has F1 2pq / (p + q) of a population of a share p of the events."
)
COLUMNS = "".join(
    [
        f"{'':30}{'events':>8}{'F1':>14}{'alone':>7}{'best':>7}{'gap':>8}",
        f"{'diff, % of parent':>20}{'count':>8}{'abst.':>9}",
    ]
)


def table(found: JudgedSet) -> str:
    """Return everything that was found in one data set, a line per population."""
    lines = [f"{found.name} ({found.note})" if found.note else found.name]
    others = "".join(f"{name:>10}" for name in found.outside)
    lines.append(COLUMNS + others)
    for row in rows(found):
        lines.append(
            f"{row['short'][:29]:30}{row['events']:8.0f}{_f1(row):>14}{_number(row['alone']):>7}"
            f"{_number(row['best']):>7}{_signed(row['gap'], 3):>8}{_difference(row):>20}"
            f"{_percent(row['count_error']):>8}{row['abstained']:>4} of {row['tubes']:<3}"
            + "".join(f"{_number(row['outside'].get(name)):>10}" for name in found.outside)
            + (" root" if row["root"] else "")
        )
    overall = found.overall()
    if np.isfinite(overall["f1"]):
        lines.append(
            f"median over populations and tubes, roots apart: {overall['f1']:.3f}; where a best is known "
            f"{overall['f1_where_best']:.3f}, alone {overall['alone']:.3f}, best {overall['best']:.3f}"
        )
    return "\n".join(lines)


def rows(found: JudgedSet) -> list[dict[str, Any]]:
    """Return a row per population: medians and means over the tubes, with their errors."""
    made = []
    for path in found.populations:
        scores = found.of(path)
        large = [s for s in scores if s.agreement.is_scored]
        differences = np.array([s.agreement.difference for s in scores if not s.agreement.abstained])
        alone, best = median([s.alone for s in large]), median([s.best for s in large])
        made.append(
            {
                "population": path,
                "short": _short(path, found.among or found.populations),
                "root": path in found.roots,
                "tubes": len(scores),
                "scored": len(large),
                "events": float(np.median([s.agreement.n_reference for s in scores])),
                "f1": median([s.agreement.f1 for s in large]),
                "f1_error": error_of_median([s.agreement.f1 for s in large]),
                "alone": alone,
                "best": best,
                "gap": median([s.best - s.alone for s in large]),
                "difference": float(differences.mean()) if differences.size else float("nan"),
                "difference_error": _error(differences),
                "count_error": median([s.agreement.count_error for s in scores]),
                "abstained": sum(s.agreement.abstained for s in scores),
                "outside": {name: median(values.get(path, ())) for name, values in found.outside.items()},
            }
        )
    return made


def numbers(found: JudgedSet) -> dict[str, Any]:
    """Return a data set's rows, and each tube's score, for JSON; NaN is null."""
    tubes = [
        {
            "tube": s.tube,
            "population": s.agreement.population,
            "n_reference": s.agreement.n_reference,
            "n_ours": s.agreement.n_ours,
            "f1": s.agreement.f1,
            "difference": s.agreement.difference,
            "abstained": s.agreement.abstained,
            "alone": s.alone,
            "best": s.best,
        }
        for s in found.scores
    ]
    whole = {"name": found.name, "note": found.note, "median": found.overall()}
    return whole | {"populations": rows(found), "tubes": tubes}


def plain(value: Any) -> Any:
    """Return values as JSON knows them: NaN is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _short(path: str, among: tuple[str, ...]) -> str:
    """Return the end of a path that tells it from every other."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        name = "/".join(parts[-count:])
        if sum(f"/{other}".endswith(f"/{name}") for other in among) == 1:
            return name
    return path


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")


def _f1(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["f1"]):
        return "-"
    error = f" ±{row['f1_error']:.3f}" if np.isfinite(row["f1_error"]) else ""
    return f"{row['f1']:.3f}{error}"


def _difference(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["difference"]):
        return "-"
    error = f" ±{row['difference_error']:.2f}" if np.isfinite(row["difference_error"]) else ""
    return f"{row['difference']:+.2f}{error}"


def _number(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and np.isfinite(value) else "-"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}" if np.isfinite(value) else "-"


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %" if np.isfinite(value) else "-"
