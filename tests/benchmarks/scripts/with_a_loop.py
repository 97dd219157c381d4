"""Counts of every population of every FCS file of a folder, by a plain loop.

python with_a_loop.py FOLDER STRATEGY.json COUNTS.csv
"""

import csv
import json
import sys
from pathlib import Path

from cytometry.compensation import find_spillover
from cytometry.fcs import read_fcs
from gating.columns import Columns
from gating.membership import assign
from gating.strategy import GatingStrategy

FOLDER, STRATEGY, COUNTS = map(Path, sys.argv[1:4])

strategy = GatingStrategy.from_dict(json.loads(STRATEGY.read_text()))
with COUNTS.open("w", newline="") as handle:
    table = csv.writer(handle)
    table.writerow(("tube", "population", "count"))
    for file in sorted(FOLDER.glob("*.fcs")):
        tube = read_fcs(file)
        columns = Columns(tube, strategy.dimensions, find_spillover(tube))
        for population, count in assign(strategy, columns).counts().items():
            table.writerow((file.stem, population, count))
