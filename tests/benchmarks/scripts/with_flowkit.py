"""Counts of every population of every FCS file of a folder, as a user of FlowKit writes it.

python with_flowkit.py FOLDER STRATEGY.pickle COUNTS.csv [PROCESSES]
"""

import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import flowkit as fk
import pandas as pd

FOLDER, STRATEGY, COUNTS = map(Path, sys.argv[1:4])
PROCESSES = int(sys.argv[4]) if len(sys.argv) > 4 else 1


def gate(path: Path) -> pd.DataFrame:
    strategy = pickle.loads(STRATEGY.read_bytes())
    sample = fk.Sample(path, sample_id=path.stem)
    return strategy.gate_sample(sample).report


if __name__ == "__main__":
    files = sorted(FOLDER.glob("*.fcs"))
    if PROCESSES > 1:
        with ProcessPoolExecutor(PROCESSES) as pool:
            reports = list(pool.map(gate, files))
    else:
        reports = [gate(file) for file in files]
    table = pd.concat(reports)
    table["population"] = [
        "/".join((*path[1:], name)) for path, name in zip(table.gate_path, table.gate_name, strict=True)
    ]
    table = table.rename(columns={"sample_id": "tube"})
    table[["tube", "population", "count"]].to_csv(COUNTS, index=False)
