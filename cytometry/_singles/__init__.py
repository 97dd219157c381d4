"""Singles: what :mod:`cytometry.single_stains` is made of: names, matched negatives, slopes."""
