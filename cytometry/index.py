"""Index: what a run says of its tubes and stains, looked up by name, with near names where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from cytometry.errors import RunError

Info = Mapping[str, Any]


def about_tube(info: Info, tube: str) -> dict[str, Any]:
    """Return what a run says of a tube.

    Raises
    ------
    RunError
        If it has none of that name.
    """
    try:
        found: dict[str, Any] = info["tubes"][tube]
    except KeyError:
        msg = f"this run has no tube {tube!r}; {_instead(tube, list(info['tubes']))}"
        raise RunError(msg) from None
    return found


def about_stain(info: Info, stain: str) -> dict[str, Any]:
    """Return what a run says of a stain.

    Raises
    ------
    RunError
        If it has none of that name.
    """
    try:
        found: dict[str, Any] = info["stains"][stain]
    except KeyError:
        msg = f"this run has no stain {stain!r}; it has {', '.join(info['stains'])}"
        raise RunError(msg) from None
    return found


def chosen_tubes(info: Info, tubes: Sequence[str] | None, stain: str | None) -> list[str]:
    """Return the tubes that are meant: those named, all of one stain, or every gated one of a stain, controls left out.

    Raises
    ------
    RunError
        If no stain is named where there are several, the tubes are of several, or no sample of it was gated.
    """
    if isinstance(tubes, str):  # a text is a sequence of letters, none of which is a tube
        msg = f"tubes is a list of names: [{tubes!r}]"
        raise RunError(msg)
    if tubes is None:
        return _samples(info, stain)
    stains = {about_tube(info, tube)["stain"] for tube in tubes}
    if len(stains) != 1:
        msg = f"events of one stain at a time, not of {', '.join(sorted(stains)) or 'none'}"
        raise RunError(msg)
    return list(tubes)


def _samples(info: Info, stain: str | None) -> list[str]:
    stains = tuple(info["stains"])
    wanted = stain or (stains[0] if len(stains) == 1 else None)
    if wanted is None:
        msg = f"this run has the stains {', '.join(stains)}; say which, with stain= or tubes="
        raise RunError(msg)
    about_stain(info, wanted)
    gated = {n: t for n, t in info["tubes"].items() if t["status"] == "gated" and t["stain"] == wanted}
    chosen = [name for name, tube in gated.items() if tube["kind"] in {"sample", "unstimulated"}]
    if not chosen:
        msg = f"no sample tube of stain {wanted} was gated; run.tubes says why"
        raise RunError(msg)
    return chosen


def _instead(tube: str, names: list[str]) -> str:
    near = get_close_matches(tube, names, n=3)
    if near:
        return f"did you mean {', '.join(near)}?"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"it has {', '.join(names[:5])}{more}"
