"""How gating documents become strategies; see :mod:`cytometry.exchange`."""
