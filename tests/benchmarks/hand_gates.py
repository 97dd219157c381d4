"""The scoreboard's two studies in ``notebooks/studies``: ``accuracy.py --only activation wnv``."""

import sys

from accuracy import main

if __name__ == "__main__":
    sys.exit(main(["--only", "activation", "wnv", *sys.argv[1:]]))
