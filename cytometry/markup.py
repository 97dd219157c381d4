"""Markup: small tables and trees as HTML, for a notebook to show. Text in, escaped; no style but indents and bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isfinite

INDENT = 1.2  # em for each level of a tree
BAR = 6.0  # em: all of the parent
LEFT = "text-align:left"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Return a table; the first cell of a row is its header."""
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = "".join(f'<th scope="col" style="{LEFT}">{escape(name)}</th>' for name in head)
    body = "".join(_row(row) for row in rows)
    return f"<table>{said}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def facts(rows: Iterable[tuple[str, str]], *, caption: str = "") -> str:
    """Return a table of names and what is said of them."""
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{said}<tbody>{''.join(_row(row) for row in rows)}</tbody></table>"


def tree(
    n_events: int,
    populations: Mapping[str, tuple[int, float]],
    *,
    caption: str = "",
    absent: Mapping[str, str] | None = None,
) -> str:
    """Return a tube's populations as an indented table: events, % of the parent, and a bar as long as that.

    Parameters
    ----------
    populations
        By path, parents before children: the number of events, and the fraction of the parent (NaN of none).
    absent
        Paths that have no gate, and why.
    """
    lines = [_leaf("all events", 0, (f"{n_events:,}", "", ""))]
    for path, (count, fraction) in populations.items():
        known = isfinite(fraction)
        share = f"{100 * fraction:.3g} %" if known else "\N{EN DASH}"
        lines.append(
            _leaf(_name(path), path.count("/") + 1, (f"{count:,}", share, _bar(fraction) if known else ""))
        )
    lines += [
        _leaf(_name(path), path.count("/") + 1, ("no gate", escape(why), ""))
        for path, why in (absent or {}).items()
    ]
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    cells = ("population", "events", "% of parent", "")
    top = "".join(f'<th scope="col" style="{LEFT}">{name}</th>' for name in cells)
    return f"<table>{said}<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _row(cells: Sequence[str]) -> str:
    first, *rest = (escape(str(cell)) for cell in cells)
    others = "".join(f'<td style="{LEFT}">{cell}</td>' for cell in rest)
    return f'<tr><th scope="row" style="{LEFT}">{first}</th>{others}</tr>'


def _leaf(name: str, level: int, cells: tuple[str, str, str]) -> str:
    """Return a line of the tree; its cells are HTML already."""
    pad = f"{LEFT};padding-left:{INDENT * level + 0.5:g}em;font-weight:normal"
    count, share, bar = cells
    return (
        f'<tr><th scope="row" style="{pad}">{escape(name)}</th><td>{count}</td><td>{share}</td>'
        f'<td style="{LEFT}">{bar}</td></tr>'
    )


def _bar(fraction: float) -> str:
    style = f"display:inline-block;height:.7em;width:{BAR * fraction:.2f}em;background:#0072B2"
    return f'<span aria-hidden="true" style="{style}"></span>'


def _name(path: str) -> str:
    return path.rpartition("/")[2]
