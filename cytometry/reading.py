"""Reading: events of a small tube in memory, since its many short reads cost more than its events."""

from __future__ import annotations

import numpy as np

from cytometry.fcs import Tube
from gating.columns import ArrayEvents


def bytes_of(tube: Tube) -> int:
    """Return how much memory a tube's events take."""
    return 8 * tube.n_events * len(tube.channels)


def in_memory(tube: Tube) -> ArrayEvents:
    """Return all events of a tube, read once, channel beside channel."""
    return ArrayEvents(np.asfortranarray(tube.events()), tube.channels)
