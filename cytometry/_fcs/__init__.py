"""How FCS files are written and read: TEXT, the place of DATA, its layout, its numbers. Use cytometry.fcs."""
