"""What can go wrong inside gating.

::

    GatingError (a ValueError)
    ├── ScaleError      parameters that define no scale
    ├── ColumnsError    a dimension, channel or spillover that does not fit the events
    ├── GeometryError   a gate that bounds nothing
    ├── StrategyError   populations that form no tree, or a name that is not in it
    └── TemplateError   rows that cannot be learnt as they are written
"""

from __future__ import annotations


class GatingError(ValueError):
    """Root of everything that gating raises on purpose."""


class ScaleError(GatingError):
    """Parameters that define no scale."""


class ColumnsError(GatingError):
    """A dimension, channel or spillover that does not fit the events."""


class GeometryError(GatingError):
    """A gate that bounds nothing."""


class StrategyError(GatingError):
    """Populations that form no tree, or a name that is not in it."""


class TemplateError(GatingError):
    """Rows of a template that cannot be learnt as they are written."""
