"""The rules for one axis on populations whose truth is known: when they abstain, how near they cut, how sure they are.

    python tests/benchmarks/rules.py [--quick] [--json FILE] [--repeats N] [--seed N]

``parting`` asks ``valley`` and ``mixture`` and believes the surer. Two populations are normal, the lesser 0.6, 1 or
1.5 times as wide as the greater; best is the cut of largest F1 of the lesser population, of infinitely many events. A
confidence is right when the events on the lesser side are within a tenth of those beyond the best cut (of a quantile:
when the share beyond is within a tenth of what was asked for); families are those the confidence was fitted on, and
others, which were in view when its form was chosen. Of lone populations, the rules' thresholds were chosen with some
in view; the unseen were not looked at until then. The error is the mean difference between what was said and what came
true, weighted over fifths; chance alone makes some of it. After ±, Monte-Carlo standard errors.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from measure import digits, markdown, write
from numpy.typing import NDArray
from shapes import DECADES, FITTED, ONE_POPULATION, OTHERS, UNSEEN, Floats, Two, any_two

from gating.answers import Abstention, Cut
from gating.thresholds import mixture, parting, quantile, tail, valley

SIZES = (2_000, 20_000)
SHARES, APART, WIDTHS = (0.01, 0.02, 0.05, 0.2, 0.5), (3.0, 4.0, 6.0), (0.6, 1.0, 1.5)
QUICK = 4  # repeats
FIFTHS = np.linspace(0, 1, 6)
NAMES = ("valley", "mixture", "parting", "tail", "quantile")
Answer = Cut | Abstention
Said = list[tuple[str, float, bool]]


def one_population(repeats: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield, by shape and number of events, how often each rule abstains, as it ought to."""
    for shape, draw in (ONE_POPULATION | UNSEEN).items():
        for n in SIZES:
            samples = [draw(rng, n) for _ in range(repeats)]
            by = {"valley": valley, "mixture": mixture, "parting": parting}
            cut = {name: np.array([isinstance(rule(x), Cut) for x in samples]) for name, rule in by.items()}
            yield {
                "shape": shape,
                "unseen": shape in UNSEEN,
                "events": n,
                "repeats": repeats,
                **{name: float(np.mean(~each)) for name, each in cut.items()},
            }


def two_populations(repeats: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield, by distance, share and number of events, how often a cut is found and how far it is from the best."""
    for apart in APART:
        for share in SHARES:
            for n in SIZES:
                drawn = [
                    Two(share, apart, sd) for sd in WIDTHS for _ in range(math.ceil(repeats / len(WIDTHS)))
                ]
                samples = [(two.draw(rng, n), two.best_cut) for two in drawn]
                cuts = [(parting(x), best) for x, best in samples]
                off = np.array([DECADES * (c.value - best) for c, best in cuts if isinstance(c, Cut)])
                by_valley = np.mean([isinstance(valley(x), Cut) for x, _ in samples])
                held = [
                    c.interval[0] <= b <= c.interval[1] for c, b in cuts if isinstance(c, Cut) and c.interval
                ]
                yield {
                    "D": apart,
                    "share": share,
                    "events": n,
                    "repeats": len(drawn),
                    "found": off.size / len(drawn),
                    "by_valley": float(by_valley),
                    "decades": float(np.median(np.abs(off))) if off.size else math.nan,
                    "near": float(np.mean(np.abs(off) <= 0.1)) if off.size else math.nan,
                    "held": float(np.mean(held)) if held else math.nan,
                }


def confidences(settings: int, rng: np.random.Generator, families: Any) -> Said:
    """Return what each rule said of its cuts, and whether it came true."""
    said: Said = []
    for _ in range(settings):
        two, n = any_two(rng, families), int(math.exp(rng.uniform(math.log(500), math.log(20_000))))
        x = two.draw(rng, n)
        above = np.count_nonzero(x >= two.best_cut)
        upper = 2 * above <= n
        best = max(above if upper else n - above, 1)
        for name, rule in (("valley", valley), ("mixture", mixture), ("parting", parting), ("tail", tail)):
            found = rule(x)
            if isinstance(found, Cut):
                count = np.count_nonzero((x >= found.value) == upper)
                said.append((name, found.confidence, bool(abs(count / best - 1) <= 0.1)))
        for _ in range(3):
            found = quantile(two.greater.rvs(size=n, random_state=rng))
            if isinstance(found, Cut):
                right = abs(two.greater.sf(found.value) / 0.005 - 1) <= 0.1
                said.append(("quantile", found.confidence, bool(right)))
    return said


def reliability(said: Said, rng: np.random.Generator) -> dict[str, Any]:
    """Return what was said and what came true by fifths, and the mean difference with its bootstrap error."""
    table = np.array([(confidence, true) for _, confidence, true in said])
    which = np.digitize(table[:, 0], FIFTHS[1:-1])
    fifths = [
        {"said": float(part[:, 0].mean()), "true": float(part[:, 1].mean()), "cuts": len(part)}
        if len(part := table[which == fifth])
        else {"said": math.nan, "true": math.nan, "cuts": 0}
        for fifth in range(len(FIFTHS) - 1)
    ]
    again = [_error(table[rng.integers(len(table), size=len(table))]) for _ in range(200)]
    # What perfect confidences would show, for as few cuts.
    least = [_error(np.column_stack([table[:, 0], rng.random(len(table)) < table[:, 0]])) for _ in range(200)]
    return {
        "cuts": len(table),
        "error": _error(table),
        "standard_error": float(np.std(again)),
        "by_chance": float(np.mean(least)),
        "fifths": fifths,
    }


def _error(table: NDArray[np.float64]) -> float:
    which = np.digitize(table[:, 0], FIFTHS[1:-1])
    parts = [table[which == fifth] for fifth in range(len(FIFTHS) - 1)]
    return float(sum(abs(part[:, 0].sum() - part[:, 1].sum()) for part in parts if len(part)) / len(table))


def few_in_a_control(repeats: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the error of the 0.995 quantile of few negatives, in decades, and of counting alone."""
    for n in (1_000, 2_000, 5_000):
        ours, counted, held = [], [], []
        for family in (*FITTED[0].values(), *OTHERS[0].values()):
            true, sd = family.ppf(0.995), family.std()
            for _ in range(repeats):
                x = family.rvs(size=n, random_state=rng)
                found = quantile(x)
                assert isinstance(found, Cut)
                assert found.interval
                ours.append((found.value - true) / sd)
                counted.append((np.quantile(x, 0.995) - true) / sd)
                held.append(found.interval[0] <= true <= found.interval[1])
        both = [DECADES * float(np.sqrt(np.mean(np.square(each)))) for each in (ours, counted)]
        yield {
            "events": n,
            "repeats": len(ours),
            "line": both[0],
            "counted": both[1],
            "held": float(np.mean(held)),
        }


def seconds(repeats: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the median processor time of each rule on 20,000 events of several kinds."""
    values = [draw(rng, 20_000) for draw in ONE_POPULATION.values()]
    values += [Two(share, apart).draw(rng, 20_000) for share in SHARES for apart in APART]
    rules: tuple[Callable[[Floats], Answer], ...] = (valley, mixture, parting, tail, quantile)
    found: dict[str, float] = {}
    for name, rule in zip(NAMES, rules, strict=True):
        spent = []
        for x in values * max(1, repeats // 20):
            begun = time.process_time()
            rule(x)
            spent.append(time.process_time() - begun)
        found[name] = float(np.median(spent))
    return found


def measured(repeats: int, seed: int) -> dict[str, Any]:
    """Return everything that is printed."""
    rng = np.random.default_rng(seed)
    sure = {}
    for kind, families in (("fitted on", FITTED), ("others", OTHERS)):
        said = confidences(8 * repeats, rng, families)
        sure[kind] = {"all": reliability(said, rng)} | {
            name: reliability([one for one in said if one[0] == name], rng) for name in NAMES
        }
    return {
        "one_population": list(one_population(repeats, rng)),
        "two_populations": list(two_populations(repeats, rng)),
        "reliability": sure,
        "few_in_a_control": list(few_in_a_control(2 * repeats, rng)),
        "seconds": seconds(repeats, rng),
    }


def share(found: float, repeats: float) -> str:
    """Return a share in percent with the standard error that Laplace's rule gives it."""
    if math.isnan(found):
        return ""
    near = (found * repeats + 1) / (repeats + 2)
    return f"{100 * found:.0f} ±{100 * math.sqrt(near * (1 - near) / (repeats + 2)):.0f} %"


def report(found: dict[str, Any]) -> str:
    """Return the tables, one below the other."""
    one, two = found["one_population"], found["two_populations"]
    parts = ["One population: how often nothing is cut"]
    rows = [
        [
            r["shape"],
            f"{r['events']:,}",
            *(share(r[k], r["repeats"]) for k in ("valley", "mixture", "parting")),
        ]
        for r in one
    ]
    for name, unseen in (("all, in view", False), ("all, unseen", True)):
        kind = [r for r in one if r["unseen"] == unseen]
        n = sum(r["repeats"] for r in kind)
        means = [float(np.mean([r[k] for r in kind])) for k in ("valley", "mixture", "parting")]
        rows.append([name, "", *(share(mean, n) for mean in means)])
    parts.append(markdown(("shape", "events", "valley", "mixture", "parting"), rows))
    parts.append("Two populations: how often they are cut, and how far from the best")
    parts.append(
        markdown(
            (
                "D",
                "share",
                "events",
                "valley",
                "parting",
                "off, decades",
                "within 0.1",
                "interval holds the best",
            ),
            [
                [f"{r['D']:g}", f"{r['share']:g}", f"{r['events']:,}", share(r["by_valley"], r["repeats"])]
                + [share(r["found"], r["repeats"]), digits(r["decades"])]
                + [share(r[k], max(1, r["found"] * r["repeats"])) for k in ("near", "held")]
                for r in two
            ],
        )
    )
    parts.append("Confidence: what was said -> what came true (cuts), by fifths")
    ends = [f"{low:.1f}-{high:.1f}" for low, high in pairwise(FIFTHS)]
    parts.append(
        markdown(
            ("families", "rule", *ends, "error", "by chance"),
            [
                [kind, name, *_sure(r)]
                for kind, rules in found["reliability"].items()
                for name, r in rules.items()
            ],
        )
    )
    parts.append("The 0.995 quantile of few negatives: root mean square error in decades")
    parts.append(
        markdown(
            ("events", "rule", "counting alone", "interval holds the true one"),
            [
                [f"{r['events']:,}", digits(r["line"]), digits(r["counted"]), share(r["held"], r["repeats"])]
                for r in found["few_in_a_control"]
            ],
        )
    )
    spent = [[name, f"{1e3 * each:.1f}"] for name, each in found["seconds"].items()]
    parts += ["Time of 20,000 events", markdown(("rule", "ms, median"), spent)]
    return "\n\n".join(parts)


def _sure(found: dict[str, Any]) -> list[str]:
    cells = [
        f"{f['said']:.2f} -> {f['true']:.2f} ({f['cuts']})" if f["cuts"] else "" for f in found["fifths"]
    ]
    error = f"{found['error']:.3f} ±{found['standard_error']:.3f}"
    return [*cells, error, f"{found['by_chance']:.3f}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--repeats", type=int, default=15, help="samples of each kind; the errors fall with its root"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} samples of each kind, as CI does")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    repeats = QUICK if asked.quick else asked.repeats
    found = measured(repeats, asked.seed)
    print(report(found))
    print(f"\n{time.process_time():.0f} s of processor time")
    write(asked.json, {"repeats": repeats, "seed": asked.seed, **found})


if __name__ == "__main__":
    main()
