"""Read: what a gate of a document reads of an event, as dimensions with names of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gating.columns import Dimension, Ratio, Spillover
from gating.scales import Arcsinh, Biex, FlowJoLog, Hyperlog, Linear, Log, Logicle, Scale

UNCOMPENSATED = (None, "uncompensated")
OWN = "FCS"  # compensated by the spillover of the tube's own file
SCALES: Mapping[str, Callable[[Any], Scale]] = {
    "LinearTransform": lambda t: Linear(t.param_t, t.param_a),
    "LogTransform": lambda t: Log(t.param_t, t.param_m),
    "AsinhTransform": lambda t: Arcsinh(t.param_t, t.param_m, t.param_a),
    "LogicleTransform": lambda t: Logicle(t.param_t, t.param_w, t.param_m, t.param_a),
    "HyperlogTransform": lambda t: Hyperlog(t.param_t, t.param_w, t.param_m, t.param_a),
    "WSPLogTransform": lambda t: FlowJoLog(t.offset, t.decades),
    "WSPBiexTransform": lambda t: Biex(t.max_value, t.width, t.negative, t.positive),
}


@dataclass(slots=True)
class Dimensions:
    """The dimensions that the gates of a document read, each under one name.

    A channel that is read in one way only gives the dimension its name; one that is read in several, with how it
    is compensated and on which scale.

    Parameters
    ----------
    theirs
        FlowKit's strategy: its matrices and transforms by identifier.
    labels
        ``$PnN`` of the labels that the document writes differently.
    """

    theirs: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    _matrices: dict[str, Spillover] = field(default_factory=dict)
    _said: dict[Dimension, tuple[str, str]] = field(default_factory=dict)

    def of(self, read: Any, *, is_raw: bool = False) -> Dimension:
        """Return the dimension that one of FlowKit's stands for, and remember it.

        Parameters
        ----------
        is_raw
            The document asks for uncompensated values, which FlowKit did not see.

        Raises
        ------
        ValueError
            If it refers to a matrix or a transform that the document does not have, or that is not supported.
        """
        how = "uncompensated" if is_raw or read.compensation_ref in UNCOMPENSATED else read.compensation_ref
        matrix = None if how in ("uncompensated", OWN) else self._matrix(how)
        scale = self._scale(read.transformation_ref)
        compensated = how != "uncompensated"
        if hasattr(read, "ratio_ref"):
            divided = self._transform(read.ratio_ref)
            above, below = (self._label(name) for name in divided.dimensions)
            ratio = Ratio(below, divided.param_a, divided.param_b, divided.param_c)
            found, label = Dimension(above, scale, compensated, matrix, ratio), f"{above} over {below}"
        else:
            label = self._channel(getattr(read, "dimension_ref", None) or read.id, how)
            found = Dimension(label, scale, compensated, matrix)
        words = {"uncompensated": how, OWN: "compensated"}.get(how, f"compensated by {how}")
        self._said.setdefault(found, (label, words))
        return found

    def names(self) -> dict[Dimension, str]:
        """Return a name for each dimension met."""
        labels = [label for label, _ in self._said.values()]
        names: dict[Dimension, str] = {}
        for found, (label, words) in self._said.items():
            name = label
            if labels.count(label) > 1:
                ratio = found.ratio
                shifts = f" ({ratio.factor:g}, {ratio.shift:g}, {ratio.other_shift:g})" if ratio else ""
                name = f"{label}{shifts} {words}, {found.scale.name}"
            same = sum(taken == name or taken.startswith(f"{name} #") for taken in names.values())
            names[found] = f"{name} #{same + 1}" if same else name
        return names

    def _label(self, name: str) -> str:
        return self.labels.get(name, name)

    def _channel(self, name: str, how: str) -> str:
        """Return the channel; a compensated one may be called by its fluorochrome."""
        matrix = self.theirs.comp_matrices.get(how)
        if matrix is not None and name not in matrix.detectors and name in matrix.fluorochromes:
            return self._label(matrix.detectors[matrix.fluorochromes.index(name)])
        return self._label(name)

    def _matrix(self, name: str) -> Spillover:
        if name not in self._matrices:
            theirs = self.theirs.comp_matrices.get(name)
            if theirs is None:
                msg = f"the document has no matrix {name!r}"
                raise ValueError(msg)
            detectors = tuple(self._label(detector) for detector in theirs.detectors)
            self._matrices[name] = Spillover(detectors, theirs.matrix)
        return self._matrices[name]

    def _transform(self, name: str) -> Any:
        if name not in self.theirs.transformations:
            msg = f"the document has no transform {name!r} that could be read"
            raise ValueError(msg)
        return self.theirs.transformations[name]

    def _scale(self, name: str | None) -> Scale:
        if name is None:
            return Linear()
        theirs = self._transform(name)
        kind = type(theirs).__name__
        if kind not in SCALES:
            msg = f"the transform {name!r} is a {kind}, which is no scale"
            raise ValueError(msg)
        return SCALES[kind](theirs)
