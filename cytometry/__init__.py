"""From FCS files to a defensible comparison.

>>> import cytometry
>>> study = cytometry.read_study("study.toml")      # every problem at once, each with file and line
>>> run = cytometry.run(study, "results")           # learn gates, assign every event, measure, compare
>>> run.contrasts                                   # estimate, interval, p; n counts subjects
>>> adata = run.events("CD8 T", stain="T")          # AnnData, rebuilt from FCS files and codes

A ``Tube`` is one FCS file, a ``Study`` says which tube is whose, a ``Run`` is what was found. The rooms
behind these names are described in the README; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytometry import plots
    from cytometry.association import associate
    from cytometry.cohort import gate_cohort
    from cytometry.counts import absolute_counts
    from cytometry.decomposition import decompose
    from cytometry.export import export_events
    from cytometry.fcs import read_fcs, write_fcs
    from cytometry.pipeline import gate_folder, run
    from cytometry.power import detectable_shift, subjects_needed
    from cytometry.report import write_report
    from cytometry.residuals import residual_slopes
    from cytometry.shown import show_contrasts
    from cytometry.simulate import simulate_study
    from cytometry.single_stains import learn_spillover, read_controls
    from cytometry.spreading import spreading_matrix
    from cytometry.store import open_run
    from cytometry.study import check_study, init_study, read_study, templates
    from cytometry.wording import sentence

__version__ = version("cytometry")
__all__ = [
    "__version__",
    "absolute_counts",
    "associate",
    "check_study",
    "decompose",
    "detectable_shift",
    "export_events",
    "gate_cohort",
    "gate_folder",
    "init_study",
    "learn_spillover",
    "open_run",
    "plots",
    "read_controls",
    "read_fcs",
    "read_study",
    "residual_slopes",
    "run",
    "sentence",
    "show_contrasts",
    "simulate_study",
    "spreading_matrix",
    "subjects_needed",
    "templates",
    "write_fcs",
    "write_report",
]
_ROOMS = MappingProxyType(
    {
        "absolute_counts": "counts",
        "associate": "association",
        "check_study": "study",
        "decompose": "decomposition",
        "detectable_shift": "power",
        "export_events": "export",
        "gate_cohort": "cohort",
        "gate_folder": "pipeline",
        "init_study": "study",
        "learn_spillover": "single_stains",
        "open_run": "store",
        "read_controls": "single_stains",
        "read_fcs": "fcs",
        "read_study": "study",
        "residual_slopes": "residuals",
        "run": "pipeline",
        "sentence": "wording",
        "show_contrasts": "shown",
        "simulate_study": "simulate",
        "spreading_matrix": "spreading",
        "subjects_needed": "power",
        "templates": "study",
        "write_fcs": "fcs",
        "write_report": "report",
    }
)


def __getattr__(name: str) -> Any:
    """Import a name's room when it is first used, so that ``import cytometry`` stays light."""
    if name == "plots":
        return import_module("cytometry.plots")
    if name in _ROOMS:
        return getattr(import_module(f"cytometry.{_ROOMS[name]}"), name)
    msg = f"module 'cytometry' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
