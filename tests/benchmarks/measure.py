"""How the speed benchmarks measure: repeats in turn, wall and CPU time, the peak memory of a process."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

POLL = 0.005  # seconds between two looks at the memory of a process
MB = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock and of the processors; peak anonymous memory in bytes, NaN where it was not looked at."""

    wall: float
    cpu: float
    memory: float = float("nan")


@dataclass(frozen=True, slots=True)
class Costs:
    """What some repeats of one work cost."""

    each: tuple[Cost, ...]

    def of(self, what: str) -> tuple[float, float, float]:
        """Return median, least and most of ``wall``, ``cpu`` or ``memory``."""
        found = [getattr(one, what) for one in self.each]
        return statistics.median(found), min(found), max(found)

    def plain(self) -> dict[str, list[float | None]]:
        """Return every repeat, for JSON."""
        found = {what: [getattr(one, what) for one in self.each] for what in ("wall", "cpu", "memory")}
        return {
            what: [value if np.isfinite(value) else None for value in each] for what, each in found.items()
        }


def timed(do: Callable[[], object]) -> Cost:
    """Return what a call costs in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(
    work: Mapping[str, Callable[[], Cost]], repeats: int, *, fewer: Mapping[str, int] | None = None
) -> dict[str, Costs]:
    """Do all works in turn, again and again, so that a slow moment of the machine falls on all of them.

    Works with ``fewer`` repeats are spread over the rounds.
    """
    found: dict[str, list[Cost]] = {name: [] for name in work}
    for turn in range(repeats):
        gc.collect()  # what earlier works left behind is nobody's cost
        for name, do in work.items():
            share = min((fewer or {}).get(name, repeats), repeats)
            if (turn + 1) * share // repeats > turn * share // repeats:
                found[name].append(do())
    return {name: Costs(tuple(each)) for name, each in found.items()}


def child(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> Cost:
    """Return what a process costs, with all processes that it starts; its memory is the largest sum of theirs.

    Anonymous memory (``RssAnon``) is what the process itself asked for: pages of files that it maps are the
    system's, which takes them back when it needs them. A peak shorter than the time between two looks is missed.

    Raises
    ------
    RuntimeError
        If it fails; with what it said.
    """
    with tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        peak, ended = 0.0, 0
        while not ended:
            peak = max(peak, _anonymous(process.pid))
            time.sleep(POLL)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            msg = f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said.read()[-3000:]}"
            raise RuntimeError(msg)
    return Cost(wall, used.ru_utime + used.ru_stime, peak)


def _anonymous(process: int) -> float:
    """Return the anonymous memory of a process and of all below it, in bytes; of one that has ended, nothing."""
    total = 0.0
    with suppress(OSError, ValueError):
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
        total += (
            float(status.partition("RssAnon:")[2].split(maxsplit=1)[0]) * 1024 if "RssAnon:" in status else 0
        )
        for task in Path(f"/proc/{process}/task").iterdir():
            total += sum(_anonymous(int(one)) for one in (task / "children").read_text().split())
    return total


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return ``b`` of ``cost ~ size ** b``, by a straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def straight(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Return ``a`` and ``b`` of ``cost = a + b * size``."""
    b, a = np.polyfit(sizes, costs, 1)
    return float(a), float(b)


def ratio(base: Costs, ours: Costs, what: str = "wall") -> tuple[float, float, float]:
    """Return how often ours fits into the base: of the medians, then the least and the most of any two repeats."""
    (middle, low, high), (our_middle, our_low, our_high) = base.of(what), ours.of(what)
    return middle / our_middle, low / our_high, high / our_low


def spread(three: tuple[float, float, float], unit: float = 1.0) -> str:
    """Return a median to three digits, with its range where there is one; nothing for what was not looked at."""
    middle, low, high = (digits(one / unit) for one in three)
    return middle if low == high else f"{middle} ({low}-{high})"


def digits(number: float) -> str:
    """Return a number to three digits, without an exponent; nothing for none."""
    if not np.isfinite(number):
        return ""
    places = max(0, 2 - int(np.floor(np.log10(abs(number))))) if number else 0
    return f"{number:,.{min(places, 4)}f}"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown has it, its columns in line."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join(
        [line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]
    )


def write(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write every number to a JSON file, if one is asked for, with what they were measured with."""
    if path:
        path.write_text(json.dumps({**found, "versions": versions()}, indent=1) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    from importlib.metadata import version

    return {"python": sys.version.split()[0]} | {
        name: version(name) for name in ("cytometry", "numba", "numpy", "flowkit", "flowutils")
    }
