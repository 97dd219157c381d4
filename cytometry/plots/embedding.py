"""Embedding: events in two dimensions, and clusters as a tree; each says what not to read off it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.style import GREY, LIGHT_GREY, OKABE_ITO, Size, axes_at, new_figure, print_ticks, style
from gating.scales import Floats

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

HUES = tuple(
    OKABE_ITO[n] for n in ("blue", "orange", "bluish green", "vermilion", "sky blue", "reddish purple")
)
SHAPES = ("o", "^", "s")  # beyond six levels a colour comes back with another mark
CAVEAT = "distances between islands and their sizes mean nothing; no number is read from it"
LETTERS = 16


def embedding_plot(
    embedded: AnnData, colour: str = "population", *, ax: Axes | None = None, size: str = "nature1"
) -> Axes:
    """Draw an embedding, coloured by a marker (display scale) or by a column of ``obs``.

    Parameters
    ----------
    embedded
        Of :func:`cytometry.embedding.embed`.

    Returns
    -------
    Axes
        Levels are named at their median place, since more than six cannot be told apart by colour. The note below says
        how many events of how many specimens are drawn, and what the picture does not show.

    Raises
    ------
    ValueError
        If there is no embedding, or nothing of that name.
    """
    if "X_umap" not in embedded.obsm:
        msg = "these events have no embedding; cytometry.embedding.embed(adata) makes one"
        raise ValueError(msg)
    points = np.asarray(embedded.obsm["X_umap"], dtype=np.float64)
    with style(size) as page:
        ax = _square(page) if ax is None else ax
        if colour in embedded.var_names:
            _shaded(ax, points, np.ravel(np.asarray(embedded[:, colour].X)), colour, page=page)
        elif colour in embedded.obs:
            _levels(ax, points, embedded.obs[colour].astype(str).to_numpy(), page=page)
        else:
            known = [*map(str, embedded.var_names), *map(str, embedded.obs.columns)]
            msg = f"neither a marker nor a column of obs is called {colour!r}; there are {', '.join(known)}"
            raise ValueError(msg)
        _finish(ax, embedded, page=page)
        ax.set_title(colour, fontsize=page.medium, loc="left")
    return ax


def tree_plot(som: Any, colour: str, *, ax: Axes | None = None, size: str = "nature1") -> Axes:
    """Draw the clusters of a FlowSOM as a minimum spanning tree, shaded by a marker's median.

    Parameters
    ----------
    som
        A ``flowsom.FlowSOM``, of ``pip install 'cytometry[flowsom]'``.
    colour
        The marker.

    Returns
    -------
    Axes
        A circle's area is its cluster's share of the events, the number inside its metacluster. Lines join clusters
        that are near each other; the layout's distances mean nothing. A cluster without events has no circle.

    Raises
    ------
    ValueError
        If it has no such marker.
    """
    clusters = som.get_cluster_data()
    about = som.get_cell_data().var
    markers = [str(name) for name in about.get("marker", clusters.var_names)]
    if colour not in markers:
        msg = f"no marker is called {colour!r}; there are {', '.join(markers)}"
        raise ValueError(msg)
    places = np.asarray(clusters.obsm["layout"], dtype=np.float64)
    values = np.asarray(clusters.X, dtype=np.float64)[:, markers.index(colour)]
    share = clusters.obs["percentages"].to_numpy(dtype=np.float64)
    with style(size) as page:
        k = page.scale
        ax = _square(page) if ax is None else ax
        for one, other in clusters.uns["graph"].get_edgelist():
            ends = places[[one, other]]
            ax.plot(ends[:, 0], ends[:, 1], color=GREY, linewidth=0.5 * k, zorder=1)
        drawn = ax.scatter(
            places[:, 0], places[:, 1], s=(700 * share + 12) * k**2, c=values, cmap="viridis", zorder=2,
            edgecolors="black", linewidths=0.4 * k, plotnonfinite=False,
        )  # fmt: skip
        for place, name, shade in zip(places, clusters.obs["metaclustering"], values, strict=True):
            light = not shade <= (np.nanmin(values) + np.nanmax(values)) / 2
            ax.text(
                float(place[0]), float(place[1]), str(name), ha="center", va="center", fontsize=page.small, zorder=3,
                color="black" if light else "white",
            )  # fmt: skip
        _bar(ax, drawn, f"{colour}, median (display scale)", page=page)
        _frame(ax)
        ax.set_title(
            f"{len(places)} FlowSOM clusters, numbered by metacluster", fontsize=page.medium, loc="left"
        )
        ax.set_xlabel("area: share of events; distances mean nothing", fontsize=page.small, loc="left")
    return ax


def _square(page: Size) -> Axes:
    k = page.scale
    figure = new_figure(page.width, 84.0 * k)
    return axes_at(figure, 4.0 * k, 7.0 * k, width=66.0 * k, height=66.0 * k)


def _shaded(ax: Axes, points: Floats, values: Floats, name: str, *, page: Size) -> None:
    low, high = np.nanpercentile(values, [1, 99])
    drawn = ax.scatter(
        points[:, 0], points[:, 1], c=values, s=_dot(len(points)) * page.scale**2, cmap="viridis", linewidths=0,
        vmin=low, vmax=high if high > low else low + 1, rasterized=True,
    )  # fmt: skip
    _bar(ax, drawn, f"{name} (display scale)", page=page)


def _levels(ax: Axes, points: Floats, levels: Any, *, page: Size) -> None:
    names, counts = np.unique(levels, return_counts=True)
    for i, name in enumerate(names[np.argsort(-counts, kind="stable")]):
        mine = points[levels == name]
        hue = GREY if name == "other" else HUES[i % len(HUES)]
        ax.scatter(
            mine[:, 0], mine[:, 1], s=_dot(len(points)) * page.scale**2, color=hue, linewidths=0, rasterized=True,
            marker=SHAPES[(i // len(HUES)) % len(SHAPES)], label=elided(name, LETTERS),
        )  # fmt: skip
        ax.text(
            float(np.median(mine[:, 0])), float(np.median(mine[:, 1])), elided(name, LETTERS), ha="center",
            va="center", fontsize=page.small, fontweight="bold", zorder=4,
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6 * page.scale},
        )  # fmt: skip


def _dot(n: int) -> float:
    return float(np.clip(4_000 / max(n, 1), 0.25, 6.0))


def _bar(ax: Axes, drawn: Any, label: str, *, page: Size) -> None:
    side = ax.inset_axes((1.03, 0.0, 0.03, 0.4))
    figure: Any = ax.get_figure(root=True)
    figure.colorbar(drawn, cax=side)
    side.set_ylabel(label, fontsize=page.small)
    side.tick_params(labelsize=page.small, length=1.5 * page.scale, width=0.4 * page.scale)
    for edge in side.spines.values():
        edge.set_color(LIGHT_GREY)


def _frame(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for edge in ("top", "right", "left", "bottom"):
        ax.spines[edge].set_color(LIGHT_GREY)


def _finish(ax: Axes, embedded: AnnData, *, page: Size) -> None:
    _frame(ax)
    print_ticks(ax, page)
    said = embedded.uns.get("embedding", {})
    what = said.get("method", "embedding")
    n = f"{what} of {embedded.n_obs:,} events"
    if said:
        n += f", of {said['n_specimens']} specimens, {len(said['markers'])} markers"
    ax.set_xlabel(f"{n};\n{CAVEAT}", fontsize=page.small, loc="left")
