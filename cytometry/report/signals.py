"""Signals: what a channel is called in print: by its marker and fluorochrome, not by its detector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytometry.store import Run


def reason_of(run: Run, row: Mapping[str, Any]) -> str:
    """Return why a tube fell short of a check, channels called by what they were stained with."""
    said = str(row["reason"])
    stain = run.info["tubes"].get(row["tube"], {}).get("stain", "")
    for channel in run.info["stains"].get(stain, {}).get("panel", ()):
        signal = signal_of(channel)
        said = re.sub(
            rf"the light of {re.escape(channel['detector'])}(?![\w-])", f"the {signal} signal", said
        )
    return said.replace("the light of", "the signal of")


def signal_of(channel: Mapping[str, Any]) -> str:
    """Return a channel as ``PD-L1 (APC)``, without what is not known of it."""
    marker = str(channel["marker"] or channel["detector"])
    return f"{marker} ({channel['fluorochrome']})" if channel["fluorochrome"] else marker
