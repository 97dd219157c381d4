"""Gating documents of other programs, as strategies: Gating-ML 2.0 and FlowJo workspaces.

FlowKit parses; the strategy is built from what it parsed. A document is read whole or not at all: whatever cannot
be read is listed in one error, with file, sample, gate and reason.

What becomes of the parts: a quadrant is a population of its own, below the parent of its gate. A gate on the events
*outside* a shape becomes two populations, ``outline of X`` and ``X``, which is not the first; an event with a value
that is not a number is then in ``X``. FlowJo's ellipses become polygons of 128 vertices, as they do in FlowJo.

Spidlen J, Moore W, ISAC Data Standards Task Force, Brinkman RR. ISAC's Gating-ML 2.0 data exchange standard for
gating description. Cytometry A 2015;87A:683-687.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from cytometry._exchange.build import Builder, problem
from cytometry._exchange.gatingml import names_of, passed_over, prepared
from cytometry._exchange.workspace import Sample, document_of, groups, parsed, root_of, samples
from cytometry._exchange.write import differences, document, with_matrix
from cytometry.errors import Problem, StudyError
from gating.columns import Spillover
from gating.strategy import GatingStrategy

__all__ = ["read_gatingml", "read_workspace", "write_gatingml"]
Found = TypeVar("Found")


def read_gatingml(path: str | Path) -> GatingStrategy:
    """Return the gates of a Gating-ML 2.0 document.

    Dimensions are named by the channel, where it is read in one way only; otherwise with how it is compensated and
    its scale. "FCS" means the spillover of the tube's own file; a matrix of the document is kept in the dimension.

    Raises
    ------
    StudyError
        For a document that is not Gating-ML, or gates that cannot be read; all at once.
    """
    where = Path(path)
    root = _by_flowkit(where, lambda: root_of(where))
    problems = passed_over(root, where.name)
    if problems:
        raise StudyError(problems)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        import flowkit

        theirs = _by_flowkit(where, lambda: flowkit.parse_gating_xml(prepared(root)))
        return Builder(theirs, where.name, names=names_of(root)).strategy()


def read_workspace(
    path: str | Path, *, group: str | None = None, sample: str | None = None
) -> dict[str, GatingStrategy]:
    """Return the gates of each sample of a FlowJo workspace (version 10), its own where it has them.

    Compensated dimensions carry the workspace's matrix, so that a strategy can be applied by itself.

    Parameters
    ----------
    group, sample
        Of all samples, those of one group, or the one of this name.

    Returns
    -------
    dict
        By the sample's name in the workspace, in its order. A slash in the name of a population is written ``_``.

    Raises
    ------
    StudyError
        For a document that is no workspace, a group or sample that is not in it, or gates that cannot be read; all
        at once.
    """
    where = Path(path)
    root = _by_flowkit(where, lambda: parsed(where))
    chosen = _chosen(root, where, group=group, sample=sample)
    problems: list[Problem] = [one for looked in chosen for one in looked.problems]
    if problems:
        raise StudyError(problems)
    found: dict[str, GatingStrategy] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        import flowkit

        chosen_alone = document_of(root, chosen)
        read = _by_flowkit(where, lambda: flowkit.Workspace(chosen_alone, load_missing_file_data=True))
        for one in chosen:
            theirs = read.get_gating_strategy(one.name)
            try:
                builder = Builder(theirs, f"{where.name}, {one.name}", one.labels, one.names, one.raw)
                found[one.name] = builder.strategy()
            except StudyError as error:
                problems += error.problems
    if problems:
        raise StudyError(problems)
    return found


def write_gatingml(strategy: GatingStrategy, path: str | Path, *, spillover: Spillover | None = None) -> Path:
    """Write a strategy as a Gating-ML 2.0 document, read it back, and keep it if nothing has changed.

    Gates are numbered, since XML allows no ``CD3+``; the names of the populations stand beside, where
    :func:`read_gatingml` finds them. The names of the dimensions are lost: the document names channels.

    Parameters
    ----------
    spillover
        The tube's, written into the document; without it, compensated channels refer to that of the tube's file.

    Raises
    ------
    StudyError
        For what Gating-ML has no word for (FlowJo's scales), all at once, or if what is read back is another strategy.
    """
    where = Path(path)
    complete = with_matrix(strategy, spillover)
    aside = where.with_name(f".{where.name}.part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        text = document(complete, where.name)
    try:
        aside.write_bytes(text)
        changed = differences(complete, read_gatingml(aside))
        if changed:
            said = f"{', '.join(changed)} cannot be read back as written"
            raise StudyError([problem(where.name, said)])
        return aside.replace(where)
    finally:
        aside.unlink(missing_ok=True)


def _chosen(root: Any, path: Path, *, group: str | None, sample: str | None) -> list[Sample]:
    """Return the samples asked for; a group or a sample that is not there is an error."""
    by_group = groups(root)
    ids = None if group is None else by_group[_known(group, list(by_group), path)]
    found = samples(root, path.name, ids=ids)
    if sample is None:
        return found
    name = _known(sample, [one.name for one in found], path)
    return [one for one in found if one.name == name]


def _by_flowkit(path: Path, parse: Callable[[], Found]) -> Found:
    """Parse a document, and say which one if that fails: FlowKit and lxml raise what they like."""
    try:
        return parse()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StudyError([problem(path.name, f"cannot be read: {error}")]) from error


def _known(name: str, there: list[str], path: Path) -> str:
    if name in there:
        return name
    near = get_close_matches(name, there, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there) or 'none'}"
    raise StudyError([Problem("error", "CYT502", path.name, f"has no group or sample {name!r}", hint)])
