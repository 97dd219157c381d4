"""From FCS files to a defensible comparison."""
