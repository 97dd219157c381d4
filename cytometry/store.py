"""A finished run, read from its result folder: tables, gates, memberships, and events on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cytometry.digest import Stamp, stamp
from cytometry.errors import RunError
from cytometry.events import TubeEvents, build_events, draw
from cytometry.explaining import Explanation, explain_gate
from cytometry.fcs import read_fcs
from cytometry.folder import read_table
from cytometry.index import about_stain, about_tube, chosen_tubes
from cytometry.markup import facts
from cytometry.panel import Channel, Panel
from cytometry.provenance import read_about
from cytometry.record import GatedTube, load_tube
from gating.columns import Columns
from gating.errors import StrategyError
from gating.strategy import GatingStrategy, find_path
from gating.template import GatingTemplate

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


class Run:
    """A finished run, read from its folder.

    Parameters
    ----------
    folder
        The result folder. The FCS files are looked for where they lay, first relative to this folder.
    info
        What ``run.json`` will hold, for a run that is just being finished.
    seen
        The stamps of files, by tube, that this process has hashed already.
    stood
        Whether nothing had to be done, since an earlier run of just the same had done it.

    Raises
    ------
    RunError
        If the folder holds no finished run, or one of another format.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        info: dict[str, Any] | None = None,
        seen: Mapping[str, Stamp] = MappingProxyType({}),
        stood: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.info: dict[str, Any] = read_about(self.folder) if info is None else info
        self.stood = stood
        self._seen = dict(seen)
        self._known: dict[str, GatedTube] = {}

    def __repr__(self) -> str:
        done = sum(tube["status"] == "gated" for tube in self.info["tubes"].values())
        return f"Run({str(self.folder)!r}: {self.info['study']}, {done} of {len(self.info['tubes'])} tubes gated)"

    def _repr_html_(self) -> str:
        status = self.tubes["status"]
        rows = [("tubes", f"{(status == 'gated').sum()} of {len(status)} gated")]
        for stain in self.stains:
            of_stain = self.tubes[self.tubes["stain"] == stain]
            kinds = ", ".join(f"{n} {kind}" for kind, n in of_stain["kind"].value_counts().items())
            rows.append((f"stain {stain}", f"{len(of_stain)} tubes: {kinds}"))
        abstained = int((self.gates["status"] == "abstained").sum()) if len(self.gates) else 0
        rows.append(("boundaries", f"{len(self.gates):,}, of which {abstained:,} not found"))
        rows.append(("contrasts", f"{len(self.contrasts):,}"))
        rows.append(("warnings", f"{len(self.problems):,}"))
        rows.append(("report", str(self.folder / "report.html")))
        return facts(rows, caption=str(self.info["study"]))

    @cached_property
    def tubes(self) -> pd.DataFrame:
        """One row per tube of the sheet: its labels, status, events and message."""
        return read_table(self.folder, "tubes")

    @cached_property
    def table(self) -> pd.DataFrame:
        """The tidy table: a row per tube, population, marker and statistic."""
        return read_table(self.folder, "statistics")

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """One row per compared endpoint; empty where the study compares nothing."""
        return read_table(self.folder, "contrasts")

    @cached_property
    def gates(self) -> pd.DataFrame:
        """One row per tube and learnt boundary: where it lies, from what, or why there is none."""
        return read_table(self.folder, "gates")

    @cached_property
    def qc(self) -> pd.DataFrame:
        """One row per tube and acquisition check."""
        return read_table(self.folder, "qc")

    @cached_property
    def qc_intervals(self) -> pd.DataFrame:
        """One row per stretch of time that something was wrong with, and whether its events were removed."""
        return read_table(self.folder, "qc_intervals").assign(removed=lambda t: t["removed"] == "True")

    @cached_property
    def qc_channels(self) -> pd.DataFrame:
        """One row per tube and channel: how its light changed over the run, and how many events lie at its ends."""
        return read_table(self.folder, "qc_channels")

    @cached_property
    def problems(self) -> pd.DataFrame:
        """What the study's check and the run warned of."""
        return read_table(self.folder, "problems")

    @property
    def stains(self) -> tuple[str, ...]:
        """Return the names of the stains that were gated."""
        return tuple(self.info["stains"])

    def panel(self, stain: str) -> Panel:
        """Return the panel of a stain."""
        return Panel(tuple(Channel(**channel) for channel in about_stain(self.info, stain)["panel"]))

    def template(self, stain: str) -> GatingTemplate:
        """Return the template of a stain, as it was used; there is none where gates were given, not learnt."""
        name = about_stain(self.info, stain).get("template")
        if name is None:
            msg = (
                f"{stain} was gated by a given strategy, without a template; run.strategy(tube) has the gates"
            )
            raise RunError(msg)
        return GatingTemplate.from_toml(self.folder / name)

    def strategy(self, tube: str) -> GatingStrategy:
        """Return a tube's resolved gates."""
        return self.gated(tube).strategy

    def membership(self, tube: str) -> pd.DataFrame:
        """Return a bool DataFrame: a row per event of the FCS file, a column per population path."""
        return self.gated(tube).membership.frame()

    def columns(self, tube: str) -> Columns:
        """Return a tube's events, read from its FCS file as the run read them.

        Raises
        ------
        RunError
            If the FCS file is gone, or is not the one that was gated.
        """
        found = self.gated(tube)
        about = self.info["tubes"][tube]
        source = read_fcs(self.locate(tube), data_set=about.get("data_set", 0))
        now = stamp(source.path)
        if self._seen.get(tube) != now and source.sha256() != about["sha256"]:
            msg = f"{source.path} has changed since it was gated (sha256 differs); run the study again"
            raise RunError(msg)
        self._seen[tube] = now
        return Columns(source, found.strategy.dimensions, found.spillover)

    def locate(self, tube: str) -> Path:
        """Return where a tube's FCS file is now: relative to the result folder, or where it lay."""
        about = about_tube(self.info, tube)
        for place in (self.folder / about["relative"], Path(about["file"])):
            if place.is_file():
                return place
        msg = f"the FCS file of tube {tube} is gone: neither {self.folder / about['relative']} nor {about['file']}"
        raise RunError(msg)

    def gated(self, tube: str) -> GatedTube:
        """Return all that was found in a tube.

        Raises
        ------
        RunError
            If the run has no such tube, with the tubes there are, or it could not be gated, with the reason.
        """
        if tube not in self._known:
            about = about_tube(self.info, tube)
            if about["status"] != "gated":
                msg = f"tube {tube} was not gated: {about['message'] or about['status']}"
                raise RunError(msg)
            self._known[tube] = load_tube(self.folder, tube)
        return self._known[tube]

    def explain(self, tube: str, population: str) -> Explanation:
        """Return why a population's gate lies where it does in a tube, how sure it is, and what would change.

        Parameters
        ----------
        population
            A name, path or end of a path; one that was not found in the tube has its reasons.

        Raises
        ------
        RunError
            If the name means no population or several, or the tube was not gated or is gone.
        """
        found, stain = self.gated(tube), about_tube(self.info, tube)["stain"]
        template = self.template(stain) if "template" in about_stain(self.info, stain) else None
        known = template.paths if template else found.strategy.paths
        rows = self.gates[self.gates["tube"] == tube].to_dict("records") if template else []
        beside = [{str(name): cell for name, cell in row.items()} for row in rows]
        path = self._path(population, known)
        return explain_gate(found, self.columns(tube), path, template=template, beside=beside)

    def events(
        self,
        population: str = "",
        *,
        tubes: Sequence[str] | None = None,
        stain: str | None = None,
        per_tube: int | None = None,
        seed: int = 0,
    ) -> AnnData:
        """Return the events of a population as AnnData, rebuilt from FCS files and codes.

        Parameters
        ----------
        population
            A name, path or end of a path; ``""`` for all events.
        tubes
            Those to take, all of one stain; by default every gated tube of ``stain``, controls left out.
        stain
            Needed only where the run has several and no tubes are named.
        per_tube
            At most so many events of each tube, drawn with ``seed``; ``weight`` says how many each stands for.

        Raises
        ------
        RunError
            If the name means no population or several, none of the tubes has it, or they are of several stains.
        """
        names = chosen_tubes(self.info, tubes, stain)
        of_stain = self.info["tubes"][names[0]]["stain"]
        known, lineage, source = self._populations(of_stain, names)
        path = self._path(population, known) if population else ""
        doubted = set(self.qc.loc[self.qc["flag"] != "", "tube"])
        pieces = []
        for name in names:
            found = self.gated(name)
            if path and path not in found.membership.populations:
                continue  # this tube's gate abstained; the others go on
            rows = found.membership.rows(path)
            kept = draw(rows, per_tube, seed=seed, tube=name)
            weight = len(rows) / len(kept) if len(kept) else 1.0
            labels = {key: str(value) for key, value in self.info["tubes"][name]["labels"].items()}
            what = (self.columns(name), found.membership, kept, weight, labels, name not in doubted)
            pieces.append(TubeEvents(name, *what))
        if not pieces:
            msg = f"in none of {', '.join(names)} was {path} gated; run.gates says why"
            raise RunError(msg)
        record = {
            "run": {key: self.info[key] for key in ("study", "versions", "seed", "simulated")},
            **source,
            "population": path or "all events",
            "strategies": {piece.tube: self.strategy(piece.tube).to_dict() for piece in pieces},
            "spillover": {p.tube: (used := self.gated(p.tube).spillover) and used.to_dict() for p in pieces},
            "sha256": {piece.tube: self.info["tubes"][piece.tube]["sha256"] for piece in pieces},
        }
        return build_events(pieces, panel=self.panel(of_stain), lineage=lineage, record=record)

    def _populations(
        self, stain: str, tubes: Sequence[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
        """Return the paths in which a name is sought, those that partition the cells, and whence they are."""
        if "template" in about_stain(self.info, stain):
            # Not those of the tubes: where one tube's gate abstained, the name would mean another one there.
            template = self.template(stain)
            return template.paths, template.lineage, {"template": template.to_toml()}
        return tuple(dict.fromkeys(path for tube in tubes for path in self.strategy(tube).paths)), (), {}

    def _path(self, population: str, known: tuple[str, ...]) -> str:
        try:
            return find_path(population, known)
        except StrategyError as error:
            raise RunError(str(error)) from error


def open_run(folder: str | Path) -> Run:
    """Open the result folder of a finished run."""
    return Run(folder)
