"""A tube that is not gated: for what it costs to hand out and to take in. A module, so that workers can import it."""

from __future__ import annotations

import time

from workload import CHANNELS

from cytometry._cohort.tube import FileJob, GatedFile
from cytometry.provenance import about_tube

WAIT = 0.05  # seconds


def wait(job: FileJob) -> GatedFile:
    """Take as long as a tube of a million events, and answer as for one."""
    time.sleep(WAIT)
    counts = dict.fromkeys(job.strategy.paths, 1000)
    about = about_tube(job.row, job.file, None, number=job.number, failure="", folder=job.folder, sha256="")
    return GatedFile(about, counts, (), CHANNELS, CHANNELS)
