"""What goes wrong at a simulated cytometer, and what else is in a tube: each as planned, each known event by event."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytometry.simulate import StudyPlan, read_truth, simulate_study
from cytometry.simulate.acquire import FLAGS, SCATTER, Known, acquire
from cytometry.simulate.amend import amended
from cytometry.simulate.biology import specimen
from cytometry.simulate.course import run_tube
from cytometry.simulate.draws import stream
from cytometry.simulate.instrument import instrument, written_spillover
from cytometry.simulate.palette import Palette, palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import Recipe, recipe
from cytometry.simulate.tables import panel, settings
from gating.columns import compensate

QUIET = ("no_artefacts",)
GENERATORS = ("first", "second")


def _tube(plan: StudyPlan, stain: str = "T", *, kind: str = "sample", lacks: str = "") -> PlannedTube:
    """Return the last tube of a kind, which others ran before."""
    return [t for t in plan.tubes if (t.stain, t.kind, t.lacks) == (stain, kind, lacks)][-1]


def _prepared(plan: StudyPlan, tube: PlannedTube) -> tuple[Recipe, Palette]:
    stained, of = panel(tube.panel), specimen(plan, tube)
    kinds = recipe(of, stained.markers, stimulated=bool(tube.stimulus))
    analyser = instrument(plan.generator)
    return kinds, palette(plan, tube, kinds, panel=stained, instrument=analyser, cd4_loss=of.cd4_loss)


@lru_cache(maxsize=4)
def _acquired(
    *options: str,
    n: int = 20_000,
    tube: PlannedTube | None = None,
    generator: str = "first",
    beads: float = 0.0,
) -> tuple[dict[str, np.ndarray], Known, Recipe]:
    """Return compensated values by marker, with scatter and Time; what each event is; and the kinds."""
    plan = StudyPlan(options=options, generator=generator, subjects=3)
    tube = tube or _tube(plan)
    kinds, colours = _prepared(plan, tube)
    analyser = instrument(generator)
    recorded, known = acquire(
        stream(3, "events", *tube.keys, tube.stained, tube.material),
        n,
        plan=plan,
        tube=tube,
        recipe=kinds,
        palette=colours,
        instrument=analyser,
        beads=beads,
        watched=tuple(range(len(analyser.channels))),
    )
    values = compensate(recorded[:, len(SCATTER) : -1].astype(float), analyser.spillover)
    named: dict[str, Any] = {name: recorded[:, at] for at, name in enumerate((*SCATTER, *analyser.channels))}
    named |= {panel(tube.panel).marker(c): values[:, at] for at, c in enumerate(analyser.channels)}
    return {**named, "Time": recorded[:, -1].astype(float)}, known, kinds


# --- The run ---------------------------------------------------------------------------------------------------


def test_a_clog_lets_a_fifth_of_the_events_through_and_dims_them_by_three_tenths() -> None:
    values, known, _ = _acquired(*QUIET, "clog", n=60_000)
    seconds, clog = values["Time"], known.in_clog
    begin, end = known.about["clog"]
    assert ((seconds > begin - 0.005) & (seconds < end + 0.005))[clog].all()
    assert np.diff(np.flatnonzero(clog)).max() == 1
    assert 0.025 < (end - begin) / seconds[-1] < 0.085
    usual = (~clog).sum() / (seconds[-1] - (end - begin))
    assert clog.sum() / (end - begin) / usual == pytest.approx(0.2, rel=0.15)
    cd45 = values["CD45"]
    assert np.median(cd45[clog]) / np.median(cd45[~clog]) == pytest.approx(0.7, rel=0.03)
    assert np.median(values["FSC-A"][clog]) == pytest.approx(np.median(values["FSC-A"][~clog]), rel=0.03)


def test_a_fading_red_laser_loses_three_per_cent_and_no_other_does() -> None:
    values, known, _ = _acquired(*QUIET, "drift", n=80_000)
    ends = slice(None, 8000), slice(-8000, None)
    lost = {}
    for marker in ("CD45", "CD3"):  # AF700 and BUV395
        bright = [values[marker][end][values[marker][end] > 2000] for end in ends]
        lost[marker] = np.median(bright[1]) / np.median(bright[0]) - 1
    assert lost["CD45"] == pytest.approx(
        -0.027, abs=0.01
    )  # from the middle of one tenth to that of the other
    assert lost["CD3"] == pytest.approx(0, abs=0.01)
    assert known.about["drift"] == {"R": -0.03}


def test_a_bubble_brings_four_times_the_events_and_three_times_the_doublets() -> None:
    values, known, _ = _acquired("spike", "no_clog", n=100_000)
    begin, end = known.about["spike"]
    assert end - begin == pytest.approx(min(1, 0.05 * values["Time"][-1]), rel=0.15)
    spike = known.in_spike
    usual = (~spike).sum() / (values["Time"][-1] - (end - begin))
    assert spike.sum() / (end - begin) == pytest.approx(4 * usual, rel=0.05)
    share = [known.is_doublet[where].mean() for where in (spike, ~spike)]
    assert share[0] / share[1] == pytest.approx(3, rel=0.15)


def test_as_many_tubes_are_disturbed_as_the_table_says() -> None:
    plan = StudyPlan(seed=4)
    happened = {"clog": 0, "drift": 0, "spike": 0}
    n = 600
    for number in range(n):
        tube = PlannedTube(f"D{number}", "baseline", "B1", "T")
        about = run_tube(stream(number, "course"), 2000, plan=plan, tube=tube, instrument=instrument()).about
        for what in happened:
            happened[what] += bool(about[what])
    for what, count in happened.items():
        share = settings("artefacts")[what]["share"]
        assert count / n == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))


def test_arrivals_are_poisson_at_the_rate_of_the_instrument() -> None:
    course = run_tube(
        stream(1, "arrivals"),
        100_000,
        plan=StudyPlan(options=QUIET),
        tube=PlannedTube("D01", "baseline", "B1", "T"),
        instrument=instrument(),
    )
    assert course.seconds[-1] == pytest.approx(20, rel=0.02)
    per_tick = np.bincount(np.round(course.seconds / 0.01).astype(int))[:-1]
    assert per_tick.mean() == pytest.approx(50, rel=0.02)
    assert per_tick.var() == pytest.approx(50, rel=0.15)
    assert not course.about["clog"]


def test_carry_over_comes_first_and_is_stained_as_the_tube_before() -> None:
    plan = StudyPlan(subjects=3)
    fmo = _tube(plan, kind="fmo", lacks="TIM-3")  # before it ran the FMO that has TIM-3 and lacks PD-1
    values, known, kinds = _acquired(*QUIET, "carry_over", tube=fmo, n=60_000)
    carried = known.is_carry_over
    assert carried.mean() == pytest.approx(0.03, abs=0.006)
    assert np.median(np.flatnonzero(carried)) < 0.1 * carried.size
    monocyte = kinds.attribute("leaf")[known.kind] == "classical monocyte"  # whose TIM-3 is bright
    assert np.median(values["TIM-3"][monocyte & carried]) > 700
    assert np.median(values["TIM-3"][monocyte & ~carried]) < 200


def test_nothing_is_carried_into_the_first_tube() -> None:
    plan = StudyPlan()
    first = plan.tubes[0]
    assert not _acquired("carry_over", tube=first, n=5000)[1].is_carry_over.any()


# --- What is in the tube -----------------------------------------------------------------------------------------


def test_without_artefacts_every_event_is_one_live_cell() -> None:
    _, known, _ = _acquired(*QUIET)
    assert known.is_live_single.all()
    assert not any(getattr(known, flag).any() for flag in FLAGS if flag != "is_margin")
    assert known.is_margin.mean() < 0.001  # bright cells may still reach the top of the range


def test_a_doublet_is_the_sum_of_two_cells() -> None:
    """Light adds up, autofluorescence too, and both cells are on record."""
    values, known, kinds = _acquired("doublets", "no_dead", "no_clog", n=60_000)
    leaf = kinds.attribute("leaf")
    one = known.is_live_single & (leaf[known.kind] == "CD8 T")
    two = known.is_doublet & (leaf[known.kind] == "CD8 T") & (leaf[known.partner] == "CD8 T")
    assert two.sum() > 100
    for marker in ("CD45", "CD8", "FSC-A"):
        assert np.median(values[marker][two]) == pytest.approx(2 * np.median(values[marker][one]), rel=0.05)
    mixed = known.is_doublet & (leaf[known.kind] == "CD8 T") & (leaf[known.partner] == "B")
    assert (values["CD19"][mixed] > 1000).mean() > 0.9
    assert (values["CD8"][mixed] > 5000).mean() > 0.9


def test_counting_beads_shine_in_every_detector_and_have_a_scatter_of_their_own() -> None:
    values, known, kinds = _acquired("no_clog", beads=0.2)
    beads = known.is_bead & ~known.is_margin
    assert known.is_bead.mean() == pytest.approx(0.2, abs=0.012)
    assert not (known.is_bead & (known.is_debris | known.is_dead | known.is_live_single)).any()
    assert (kinds.attribute("leaf")[known.kind[beads]] == "").all()
    for channel in instrument().channels:
        assert np.median(values[channel][beads]) == pytest.approx(10**4.3, rel=0.05)
    assert np.median(values["FSC-A"][beads]) == pytest.approx(35_000, rel=0.01)
    assert values["FSC-A"][beads].std() == pytest.approx(700, rel=0.1)
    assert np.median(values["SSC-A"][beads]) == pytest.approx(90_000, rel=0.01)
    share = (known.is_debris & ~known.is_bead).sum() / (~known.is_bead).sum()
    assert share == pytest.approx(0.10, abs=0.01)  # beads dilute the cells and their debris alike


def _control(channel: str, material: str) -> PlannedTube:
    kind = "single_stain" if channel else "unstained"
    return PlannedTube("anchor", "", "B1", "T", kind, healthy=True, stained=channel, material=material)


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("material", ["beads", "cells"])
def test_a_compensated_single_stain_lies_where_the_unstained_does(generator: str, material: str) -> None:
    """In every other detector, within 3 standard errors of the median; a few in a thousand may lie beyond."""
    analyser, scores = instrument(generator), []
    stained = [c for c in analyser.channels if material == "beads" or c != "V525-A"]
    for channel in ("", *stained):
        values, known, kinds = _acquired(
            *QUIET, tube=_control(channel, material), n=10_000, generator=generator
        )
        at = [panel("T").marker(c) for c in analyser.channels]
        chosen = known.is_bound if channel else known.is_bead
        if material == "cells":
            chosen = kinds.attribute("leaf")[known.kind] == "CD8 T"
        here = np.stack([values[marker][chosen] for marker in at])
        error = np.sqrt(np.pi / 2 * here.var(axis=1) / here.shape[1])
        if not channel:
            middle, own = np.median(here, axis=1), error
            continue
        others = np.array([c != channel for c in analyser.channels])
        scores.append(((np.median(here, axis=1) - middle) / np.hypot(error, own))[others])
    assert np.mean(np.abs(scores) < 3) > 0.985
    assert np.abs(scores).max() < 4


@pytest.mark.parametrize("generator", GENERATORS)
def test_single_stains_on_beads_give_the_spillover_that_was_used(generator: str) -> None:
    """Medians of bound less unbound beads, as every instrument's software computes it."""
    analyser, found = instrument(generator), []
    for channel in analyser.channels:
        values, known, _ = _acquired(*QUIET, tube=_control(channel, "beads"), n=10_000, generator=generator)
        raw = np.stack([values[name] for name in analyser.channels])
        light = np.median(raw[:, known.is_bound], axis=1) - np.median(raw[:, ~known.is_bound], axis=1)
        found.append(light / light[analyser.channels.index(channel)])
    np.testing.assert_allclose(found, analyser.spillover.matrix, atol=0.006)


def test_beads_that_bind_are_bright_in_the_one_dye_of_their_tube() -> None:
    values, known, _ = _acquired(*QUIET, tube=_control("V450-A", "beads"), n=10_000)
    assert known.is_bead.all()
    assert known.is_bound.mean() == pytest.approx(0.5, abs=0.02)
    log_light = np.log10(known.light[instrument().channels.index("V450-A")][known.is_bound])
    assert log_light.mean() == pytest.approx(4.5, abs=0.005)
    assert log_light.std() == pytest.approx(0.06, abs=0.005)
    assert np.median(values["PD-1"][~known.is_bound]) < 200
    assert not _acquired(*QUIET, tube=_control("", "beads"), n=1000)[1].is_bound.any()


def test_half_of_the_cells_stained_for_viability_alone_are_killed() -> None:
    _, known, _ = _acquired(tube=_control("V525-A", "cells"), n=5000)
    assert known.is_dead[~known.is_debris].mean() == pytest.approx(0.5, abs=0.04)
    assert _acquired(tube=_control("V450-A", "cells"), n=5000)[1].is_dead.mean() < 0.1


# --- Options -----------------------------------------------------------------------------------------------------


def _numbers(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [
        leaf
        for key, value in table.items()
        for leaf in (_numbers(value, (*path, key)) if isinstance(value, dict) else [(*path, key)])
    ]


OPEN = {("artefacts", "failed_staining"), ("artefacts", "other_staining")}
AMENDED = ("artefacts", "tissues", "states", "instrument")


@pytest.mark.parametrize("option", sorted(settings("options")))
def test_an_option_says_what_it_is_and_changes_numbers_that_there_are(option: str) -> None:
    said = settings("options")[option]
    assert len(said["title"]) > 10
    assert StudyPlan(options=(option,)).has(option)
    assert set(said.get("all_of", ())) <= set(settings("options"))
    for path in _numbers({name: said[name] for name in AMENDED if name in said}):
        if path[:2] in OPEN:
            continue
        here: Any = settings(path[0])
        for key in path[1:]:
            assert key in here, path
            here = here[key]
        new = amended(StudyPlan(options=(option,)), path[0])
        for key in path[1:]:
            new = new[key]
        assert new != here, f"{option} changes nothing of {'.'.join(path)}"


def test_the_later_of_two_options_has_the_last_word() -> None:
    said = [
        amended(StudyPlan(options=options), "artefacts")["clog"]["share"]
        for options in ((), QUIET, (*QUIET, "clog"), ("clog", *QUIET))
    ]
    assert said == [0.2, 0.0, 1.0, 0.0]


def _log_median(marker: str, leaf: str, tube: PlannedTube, *options: str) -> float:
    plan = StudyPlan(options=options, subjects=3)
    kinds, colours = _prepared(plan, tube)
    row = instrument().channels.index(panel(tube.panel).detector(marker))
    here = kinds.attribute("leaf") == leaf
    return float(np.median(colours.median[row, here]) / np.log(10))


@pytest.mark.parametrize(
    ("option", "marker", "shift"), [("ccr7_failure", "CCR7", -0.6), ("foxp3_dim", "FoxP3", -0.4)]
)
def test_a_failed_staining_dims_one_marker_in_one_batch(option: str, marker: str, shift: float) -> None:
    plan = StudyPlan(subjects=3)
    changed = {}
    for tube in (t for t in plan.tubes if t.stain == "T" and t.kind == "sample"):
        changed[tube.batch] = _log_median(marker, "CD4 T", tube, option) - _log_median(marker, "CD4 T", tube)
        assert _log_median("CD3", "CD4 T", tube, option) == _log_median("CD3", "CD4 T", tube)
    assert changed == pytest.approx({"B1": 0, "B2": 0, "B3": shift}, abs=1e-5)


def test_how_much_cd4_a_stimulated_cell_loses_can_be_chosen() -> None:
    tube = _tube(StudyPlan(subjects=3), "cytokine")
    levels = [
        _log_median("CD4", "CD4 T", tube, *options)
        for options in ((), ("cd4_loss",), ("cd4_loss_mild",), ("cd4_loss_none",))
    ]
    assert levels[0] - levels[1] == pytest.approx(0.3, abs=1e-5)
    assert levels[2] - levels[0] == pytest.approx(0.4, abs=1e-5)
    assert levels[3] > levels[2]


def test_myeloid_cells_can_glow_as_macrophages_do() -> None:
    tube = _tube(StudyPlan(subjects=3), "myeloid")
    values = {
        options: _acquired(*QUIET, *options, tube=tube) for options in ((), ("autofluorescent_myeloid",))
    }
    glow = []
    for here, known, kinds in values.values():
        leaf = kinds.attribute("leaf")[known.kind]
        glow.append([np.median(here["B530-A"][leaf == name]) for name in ("classical monocyte", "CD8 T")])
    usual, bright = glow
    assert bright[0] > 3 * usual[0]
    assert bright[1] == pytest.approx(usual[1], rel=0.02)


def test_a_broken_tandem_shines_as_its_donor() -> None:
    """PE-Cy7 alone on beads: with 0 to 8 % broken, a twenty-fifth of its light is PE on average."""
    alone = _control("YG780-A", "beads")
    for options, share in (((), 0.0), (("tandem_breakdown",), 0.04)):
        values, known, _ = _acquired(*QUIET, *options, tube=alone, n=10_000)
        pe, tandem = (values[marker][known.is_bound].mean() for marker in ("FoxP3", "CD127"))
        assert pe / tandem == pytest.approx(share / (1 - share), abs=0.004)


# --- What the files say of the spillover -------------------------------------------------------------------------


@pytest.mark.parametrize("generator", GENERATORS)
def test_files_carry_the_spillover_that_was_asked_for(generator: str) -> None:
    true = instrument(generator).spillover
    plan = StudyPlan(generator=generator)
    assert written_spillover(plan) is true
    assert written_spillover(replace(plan, spillover="missing")) is None
    identity = written_spillover(replace(plan, spillover="identity"))
    wrong = written_spillover(replace(plan, spillover="slightly_wrong"))
    assert identity is not None
    assert wrong is not None
    np.testing.assert_array_equal(identity.matrix, np.eye(16))
    spills = (true.matrix > 0) & ~np.eye(16, dtype=bool)
    error = wrong.matrix[spills] / true.matrix[spills] - 1
    assert error.std() == pytest.approx(0.05, rel=0.25)
    assert (wrong.matrix[~spills] == true.matrix[~spills]).all()


def test_the_files_and_their_sidecars_hold_what_was_asked_for(tmp_path: Path) -> None:
    from cytometry.fcs import read_fcs

    asked = {
        "subjects": 1,
        "batches": 1,
        "events": 2000,
        "stains": ("T",),
        "options": ("clog", "single_stains"),
    }
    study = simulate_study(tmp_path / "study", spillover="missing", **asked).parent
    truth = read_truth(study)
    events, about = truth.events("D01_baseline_T"), truth.info["tubes"]["D01_baseline_T"]
    assert set(FLAGS) <= set(events.columns)
    seconds = read_fcs(study / "fcs" / "D01_baseline_T.fcs").column("Time")
    begin, end = about["course"]["clog"]
    np.testing.assert_allclose(seconds[events["in_clog"].to_numpy()][[0, -1]], [begin, end], atol=0.006)
    beads = [n for n, said in truth.info["tubes"].items() if said["material"] == "beads" and said["stained"]]
    assert len(beads) == len(instrument().channels)
    assert all(truth.events(name)["is_bead"].all() for name in beads[:2])
    assert not truth.events(beads[0])["leaf"].astype(str).any()
    assert {read_fcs(path).spillover_text for path in (study / "fcs").iterdir()} == {""}
