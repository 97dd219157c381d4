"""Simulate: studies whose answer is known, as real FCS files.

A *plan* says which design, drug and scenario, how many subjects and events, and the seed. A *specimen* is what
donor, visit and treatment make of blood: leaves of the lineage tree on the absolute scale, closed to shares;
their parts; fractions that are PD-1+ or make cytokines. A *recipe* lists the kinds of cell of one tube and how
often each is expected, a *palette* how bright each kind is in each dye. *Acquire* runs the tube: its *course*
says when events come and what disturbs them, its *mixture* what comes by (cells, doublets, debris, the dead,
beads), the *instrument* what is recorded of their light. *Sheets* are the files a user would have written; the
*truth* lies beside them, and never inside an FCS file.

What breaks gating in real work has a name each: see ``option_titles()``. Artefacts are as common as in everyday
work unless an option says otherwise. ``generator="second"`` has another instrument, other brightness and other
proportions under the same planted effects, and no rule is developed on it.

All numbers are in ``data/``, with their sources; most are assumed, and say so. Studies are modelled on
published directions of effect and reproduce none.

>>> study = simulate_study("demo", subjects=12, seed=1)        # the path of study.toml
>>> read_truth("demo").planted                                 # what was planted: PD-1+ of CD8 T, 16.8 to 12.7 %
"""

from cytometry.simulate.amend import option_titles
from cytometry.simulate.counts import CountedStudy, count_study, simulate_counts
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.planted import planted_endpoints
from cytometry.simulate.seen import Seen
from cytometry.simulate.study import simulate_study, write_plan
from cytometry.simulate.tables import SimulationError
from cytometry.simulate.truth import Truth, read_truth

__all__ = [
    "CountedStudy",
    "Seen",
    "SimulationError",
    "StudyPlan",
    "Truth",
    "count_study",
    "option_titles",
    "planted_endpoints",
    "read_truth",
    "simulate_counts",
    "simulate_study",
    "write_plan",
]
