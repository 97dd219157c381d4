"""``python -m cytometry`` is the command line."""

from __future__ import annotations

from cytometry.cli import main

if __name__ == "__main__":
    main()
