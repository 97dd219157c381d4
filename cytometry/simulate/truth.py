"""Truth: what a simulated study planted, and what of it is in the files; read back to score an analysis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.members import EVERYONE, members
from cytometry.simulate.seen import Seen
from cytometry.simulate.tables import SimulationError
from cytometry.table import FRACTION_OF_PARENT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

EXPECTED, REALISED = "expected", "realised"
DENSITY, ROLES = "density", ("control", "treated")


@dataclass(frozen=True)
class Truth:
    """The truth of one simulated study.

    Fractions are of true live single cells: no debris, no doublets, nothing dead. *Expected* ones follow from
    donor, visit and treatment; *realised* ones count the cells that are in the tube.
    """

    folder: Path
    info: Mapping[str, Any] = field(repr=False)

    @property
    def summary(self) -> Mapping[str, Any]:
        """Return seed, parameters, and what was planted."""
        return dict(self.info["summary"])

    @cached_property
    def planted(self) -> pd.DataFrame:
        """Return a row per endpoint: mean fractions over all possible subjects, shift, effect on the log odds.

        See ``planted_endpoints`` for the columns.
        """
        import pandas as pd

        return pd.DataFrame(self.info["summary"]["planted"])

    @cached_property
    def fractions(self) -> pd.DataFrame:
        """Return a row per tube and planted population, with its base: expected, realised, n and n_base.

        ``density`` is the expected number of live single cells per uL of blood or mg of tissue.
        """
        import pandas as pd

        found = []
        for tube, about in self.info["tubes"].items():
            labels = {name: value for name, value in about.items() if isinstance(value, str)}
            for population, said in about["populations"].items():
                if population != EVERYONE:
                    share = self._share(tube, population, said["base"])
                    found.append(
                        {
                            "tube": tube,
                            **labels,
                            "population": population,
                            "base": said["base"],
                            **share,
                            "density": said["density"],
                        }
                    )
        return pd.DataFrame(found)

    def shifts(
        self,
        population: str,
        *,
        stain: str,
        statistic: str = FRACTION_OF_PARENT,
        marker: str = "",
        arm: str = "",
        timepoint: str = "",
    ) -> pd.DataFrame:
        """Return the true shift of each subject; index subject.

        Columns ``expected_control``, ``expected_treated``, ``expected_shift`` and the same of ``realised``. Where
        no subject has both, the shift is that of a treated one from the mean of the controls, and NaN for these.

        Parameters
        ----------
        statistic
            As in the tidy table; net ones subtract the unstimulated tube, and ``density`` is live single cells
            per uL or mg. Realised fractions of no cells are NaN, and so is what a median was expected to be.
        marker
            Of a median intensity.
        arm, timepoint
            Of a study with several arms, or several times under treatment, which. The first drug and the last
            time if not said; of an unpaired study all arms.

        Raises
        ------
        SimulationError
            If no sample tube there shows the population, or a median intensity has no marker.
        """
        import pandas as pd

        found: dict[str, dict[str, float]] = {}
        for tube, about in self._samples(stain, arm=arm, timepoint=timepoint):
            if population in about["populations"]:
                value = self._statistic(tube, population, statistic, marker=marker)
                found.setdefault(about["subject"], {}).update(
                    {f"{truth}_{about['role']}": value[truth] for truth in (EXPECTED, REALISED)}
                )
        if not found:
            msg = f"no sample tube of stain {stain!r}{f' and arm {arm!r}' * bool(arm)} shows {population!r}"
            raise SimulationError(msg)
        columns = [f"{truth}_{role}" for truth in (EXPECTED, REALISED) for role in ROLES]
        table = pd.DataFrame.from_dict(found, orient="index").reindex(columns=columns).rename_axis("subject")
        for truth in (EXPECTED, REALISED):
            control, treated = table[f"{truth}_control"], table[f"{truth}_treated"]
            paired = (control.notna() & treated.notna()).any()
            table[f"{truth}_shift"] = treated - (control if paired else control.mean())
        return table

    def _samples(self, stain: str, *, arm: str, timepoint: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the sample tubes of a stain, of one arm where there are several that each have both roles."""
        samples = [
            (name, about)
            for name, about in self.info["tubes"].items()
            if about["kind"] == "sample" and about["stain"] == stain
        ]
        roles = [{about["arm"] for _, about in samples if about["role"] == role} for role in ROLES]
        both = roles[0] & roles[1]
        if len(both) > 1 and not arm:
            first = self.summary["parameters"]["drug"].partition("+")[0]
            arm = first if first in both else max(both)
        for name, about in samples:
            at_time = about["role"] == ROLES[0] or timepoint in ("", about["timepoint"])
            if arm in ("", about["arm"]) and at_time:
                yield name, about

    def events(self, tube: str) -> pd.DataFrame:
        """Return what each event of a tube is, in the order of its FCS file.

        ``F <marker>`` is the dye's noise-free light, ``AF <marker>`` what compensation makes of the event's
        autofluorescence there; a gate on the compensated linear scale sees their sum and noise.

        Raises
        ------
        SimulationError
            If the study has no such tube.
        """
        import pandas as pd

        if tube not in self.info["tubes"]:
            msg = f"the study has no tube {tube!r}; there are {', '.join(list(self.info['tubes'])[:6])}, ..."
            raise SimulationError(msg)
        return pd.read_parquet(self.folder / f"{tube}.parquet")

    def is_in(self, tube: str, population: str) -> NDArray[np.bool_]:
        """Return which events of a tube are true live single cells of a population; shape ``(n_events,)``."""
        return _is_in(self.events(tube), population)

    def seen(self, tube: str, cut: float, *, population: str = "CD8 T/PD-1+", marker: str = "PD-1") -> Seen:
        """Return what a boundary at ``cut`` (compensated linear scale) would see without noise.

        ``population`` is the state; its base is the planted one (CD8 T).
        """
        events = self.events(tube)
        base = self.info["tubes"][tube]["populations"][population]["base"]
        inside, state = _is_in(events, base), _is_in(events, population)
        above = (events[f"F {marker}"] + events[f"AF {marker}"]).to_numpy() >= cut
        return Seen(
            n=int(inside.sum()),
            fraction=_mean(above[inside]),
            of_positive=_mean(above[state]),
            of_negative=_mean(above[inside & ~state]),
        )

    def seen_shifts(
        self, cuts: Mapping[str, float], *, population: str = "CD8 T/PD-1+", marker: str = "PD-1"
    ) -> pd.DataFrame:
        """Return the shift of each subject that boundaries would see without noise; index subject.

        Columns ``control``, ``treated`` and ``shift``, the gate-defined truth of these tubes, and ``sees``: how
        much of a shift of the state the boundaries let through, the mean of ``of_positive - of_negative``. The
        planted shift times the mean of ``sees`` is the planted shift of the gate-defined truth.

        Parameters
        ----------
        cuts
            By tube, on the compensated linear scale; of both visits of each subject.
        """
        import pandas as pd

        found = []
        for tube, cut in cuts.items():
            about, seen = self.info["tubes"][tube], self.seen(tube, cut, population=population, marker=marker)
            found.append(
                {
                    "subject": about["subject"],
                    "role": about["role"],
                    "fraction": seen.fraction,
                    "sees": seen.of_positive - seen.of_negative,
                }
            )
        long = pd.DataFrame(found)
        table = long.pivot(index="subject", columns="role", values="fraction").rename_axis(columns=None)
        table["shift"] = table["treated"] - table["control"]
        return table.assign(sees=long.groupby("subject")["sees"].mean())

    def _statistic(self, tube: str, population: str, statistic: str, *, marker: str = "") -> dict[str, float]:
        said = self.info["tubes"][tube]["populations"][population]
        if statistic == DENSITY:
            return self._density(tube, population)
        if statistic == MEDIAN_INTENSITY:
            return {EXPECTED: np.nan, REALISED: self._median(tube, population, marker)}
        if statistic == NET_FRACTION_OF_PARENT:
            about = self.info["tubes"][tube]
            resting = next(
                name
                for name, other in self.info["tubes"].items()
                if other["kind"] == "unstimulated" and other["specimen"] == about["specimen"]
            )
            here, there = (self._share(name, population, said["base"]) for name in (tube, resting))
            return {truth: here[truth] - there[truth] for truth in (EXPECTED, REALISED)}
        base = said["base"] if statistic == FRACTION_OF_PARENT else statistic.removeprefix("fraction_of_")
        return self._share(tube, population, base)

    def _median(self, tube: str, population: str, marker: str) -> float:
        events = self.events(tube)
        if f"F {marker}" not in events:
            msg = f"a median intensity needs a marker whose light the truth of tube {tube!r} holds, not {marker!r}"
            raise SimulationError(msg)
        light = (events[f"F {marker}"] + events[f"AF {marker}"]).to_numpy()[_is_in(events, population)]
        return float(np.median(light)) if light.size else np.nan

    def _density(self, tube: str, population: str) -> dict[str, float]:
        """Return live single cells per uL or mg: expected, and as beads and cells in the tube would say."""
        about = self.info["tubes"][tube]
        said, amount = about["populations"][population], about["tissue_mg"] or about["volume_ul"]
        counted = said["n"] / about["beads"] * about["beads_added"] / amount if about["beads"] else np.nan
        return {EXPECTED: said["density"], REALISED: counted}

    def _share(self, tube: str, population: str, base: str) -> dict[str, float]:
        here = self.info["tubes"][tube]["populations"]
        part, whole = here[population], here[base]
        return {
            EXPECTED: part["share"] / whole["share"] if whole["share"] else np.nan,
            REALISED: part["n"] / whole["n"] if whole["n"] else np.nan,
            "n": part["n"],
            "n_base": whole["n"],
        }


def read_truth(folder: str | Path) -> Truth:
    """Read the truth of a simulated study.

    ``folder`` is that of ``study.toml``, or the ``truth`` folder in it.

    Raises
    ------
    SimulationError
        If there is none.
    """
    for place in (Path(folder) / "truth", Path(folder)):
        path = place / "study.json"
        if path.is_file():
            return Truth(place, json.loads(path.read_text(encoding="utf-8")))
    msg = f"{folder} holds no truth/study.json: it is no simulated study, or its truth was taken away"
    raise SimulationError(msg)


def _is_in(events: pd.DataFrame, population: str) -> NDArray[np.bool_]:
    alive = ~(events["is_debris"] | events["is_doublet"] | events["is_dead"]).to_numpy()
    return alive & members({column: events[column].to_numpy() for column in events.columns}, population)


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else float("nan")
