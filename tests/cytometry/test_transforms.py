from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cytometry.compensation import find_spillover
from cytometry.errors import StudyError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Channel
from cytometry.transforms import ScaleChoice, choose_scales, logicle_width
from gating.columns import Columns, Spillover
from gating.scales import Arcsinh, Linear, Log, Logicle

PANEL = (
    Channel("FSC-A", "FSC-A", role="scatter"),
    Channel("APC-A", "PD-1", "APC", "functional"),
    Channel("PE-A", "CD8", "PE", "lineage"),
    Channel("AF-A", role="unused"),
    Channel("Time", "Time", role="time"),
)


@dataclass
class Stained:
    """A tube held in memory: detectors by name, all with one range."""

    values: Mapping[str, NDArray[np.float64]]
    top: float = 262_144.0
    keywords: Mapping[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.values)

    @property
    def ranges(self) -> tuple[float, ...]:
        return tuple(self.top for _ in self.values)

    @property
    def n_events(self) -> int:
        return len(next(iter(self.values.values())))

    def column(self, channel: str, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        column = np.asarray(self.values[channel], dtype=np.float64)
        return column if rows is None else column[rows]


def cells(seed: int = 0, *, n: int = 4_000, noise: float = 150.0, top: float = 262_144.0) -> Stained:
    """Return a negative population with some noise around 0, a tenth of it bright."""
    rng = np.random.default_rng(seed)
    bright = rng.random((2, n)) < 0.1
    signal = np.where(bright, rng.lognormal(np.log(top / 25), 0.5, (2, n)), 0) + rng.normal(0, noise, (2, n))
    names = {
        "FSC-A": rng.normal(80_000, 9_000, n),
        "APC-A": signal[0],
        "PE-A": signal[1],
        "AF-A": signal[0] * 0.1,
    }
    return Stained({**names, "Time": np.linspace(0, 60, n)}, top)


def by_name(choices: tuple[ScaleChoice, ...]) -> dict[str, ScaleChoice]:
    return {choice.name: choice for choice in choices}


# Logicle


def test_the_width_shows_the_negatives_on_paper() -> None:
    # 100 negatives from -1 to -100: their 5 % quantile is -95.05; W = (4.5 - log10(262144 / 95.05)) / 2
    values = -np.arange(1.0, 101.0)
    width, why = logicle_width(values, 262_144.0)
    assert width == pytest.approx((4.5 - np.log10(262_144 / 95.05)) / 2, abs=5e-4)
    assert width == pytest.approx(0.530, abs=5e-4)
    assert "5 % quantile of 100 negatives, -95.05" in why


def test_the_scale_begins_just_below_the_reference_negative() -> None:
    # Parks et al. 2006: W is such that the low end of the negatives is on the display, and little room below it.
    values = np.random.default_rng(1).normal(0, 200, 20_000)
    width, _ = logicle_width(values, 262_144.0)
    reference = float(np.quantile(values[values < 0], 0.05))
    assert Logicle(262_144.0, width).forward(reference) == pytest.approx(0.05, abs=0.05)


def test_a_few_extreme_negatives_do_not_widen_the_scale() -> None:
    values = np.random.default_rng(2).normal(0, 100, 1_000)
    strays = np.concatenate([values, np.full(40, -1e6)])
    assert logicle_width(strays, 262_144.0)[0] == pytest.approx(logicle_width(values, 262_144.0)[0], abs=0.03)


def test_without_negatives_the_usual_width_is_taken_and_told() -> None:
    for values in (np.zeros(0), np.arange(500.0), np.concatenate([np.arange(500.0), -np.ones(19)])):
        width, why = logicle_width(values, 262_144.0)
        assert width == 0.5
        assert "usual" in why


@given(st.floats(1e-6, 1e9), st.floats(100, 1e7))
def test_every_width_makes_a_scale(spread: float, top: float) -> None:
    width, _ = logicle_width(np.linspace(-spread, 0, 200), top)
    assert 0 <= width <= 2.25
    Logicle(top, width, 4.5)


# Choices


def test_scatter_and_time_are_linear_markers_are_logicle_and_the_unused_are_left_out() -> None:
    dimensions, choices = choose_scales(PANEL, {"a": cells()})
    assert list(dimensions) == ["FSC-A", "PD-1", "CD8", "Time"]
    assert dimensions["FSC-A"].scale == dimensions["Time"].scale == Linear()
    assert isinstance(dimensions["PD-1"].scale, Logicle)
    assert dimensions["PD-1"].channel == "APC-A"
    assert [d.compensated for d in dimensions.values()] == [False, True, True, False]
    assert [(c.name, c.channel) for c in choices] == [(n, d.channel) for n, d in dimensions.items()]
    assert by_name(choices)["PD-1"].n_events == 4_000
    assert "T from the detector's range; W from the 5 % quantile" in by_name(choices)["PD-1"].why


def test_one_scale_serves_all_tubes_of_a_stain() -> None:
    quiet, noisy = cells(1, noise=20.0), cells(2, noise=500.0)
    widths = [choose_scales(PANEL, {"x": tube})[0]["PD-1"].scale.w for tube in (quiet, noisy)]
    both, choices = choose_scales(PANEL, {"quiet": quiet, "noisy": noisy})
    assert widths[0] < both["PD-1"].scale.w < widths[1]
    assert by_name(choices)["PD-1"].n_events == 8_000


def test_the_width_is_taken_after_compensation() -> None:
    rng = np.random.default_rng(3)
    bright, dark = rng.lognormal(9, 1, 5_000), rng.normal(0, 30, 5_000)
    true = np.column_stack([bright, dark])
    matrix = np.array([[1.0, 0.3], [0.0, 1.0]])
    spilt = true @ matrix
    names = {"FSC-A": bright, "Time": bright, "AF-A": bright}
    tube = Stained({**names, "APC-A": spilt[:, 0], "PE-A": spilt[:, 1]})
    raw = by_name(choose_scales(PANEL, {"a": tube})[1])["CD8"]
    compensated = by_name(
        choose_scales(PANEL, {"a": tube}, spillovers={"a": Spillover(("APC-A", "PE-A"), matrix)})[1]
    )["CD8"]
    assert "usual" in raw.why  # the spill hides the negatives
    assert compensated.scale == Logicle(262_144.0, logicle_width(dark, 262_144.0)[0])


def test_no_value_leaves_a_scale_whose_range_was_too_small() -> None:
    tube = cells(top=1024.0, noise=1.0)
    tube.values["PE-A"][0] = 9_876.5
    tube.values["APC-A"][0] = 5e9  # an artefact
    dimensions, choices = choose_scales(PANEL, {"a": tube})
    assert dimensions["CD8"].scale.t == 9_900.0
    assert "above the detector's range of 1024" in by_name(choices)["CD8"].why
    assert dimensions["PD-1"].scale.t == 1024.0
    assert "events far beyond it: 1" in by_name(choices)["PD-1"].why


def test_a_range_that_is_not_known_is_taken_from_the_data() -> None:
    for top in (np.nan, 0.0, 1.0):
        tube = cells()
        tube.top = top
        scale = choose_scales(PANEL, {"a": tube})[0]["PD-1"].scale
        assert tube.values["APC-A"].max() <= scale.t <= 1.1 * tube.values["APC-A"].max()


def test_tubes_without_events_get_the_usual_scale() -> None:
    empty = Stained({channel: np.zeros(0) for channel in cells().channels})
    dimensions, choices = choose_scales(PANEL, {"a": empty})
    assert dimensions["PD-1"].scale == Logicle(262_144.0, 0.5)
    assert by_name(choices)["PD-1"].n_events == 0
    assert choose_scales(PANEL, {"a": empty, "b": cells()})[0] == choose_scales(PANEL, {"b": cells()})[0]


def test_large_tubes_are_sampled_alike_on_every_run() -> None:
    large = cells(5, n=120_000)
    first, second = (choose_scales(PANEL, {"a": large, "b": cells(6)}) for _ in range(2))
    assert first == second
    assert by_name(first[1])["PD-1"].n_events == 25_000 + 4_000


def test_what_is_no_number_is_left_out() -> None:
    tube, clean = cells(), cells()
    tube.values["APC-A"][:50] = np.nan
    tube.values["APC-A"][50:60] = np.inf
    tube.values["APC-A"][60:70] = -np.inf
    choice = by_name(choose_scales(PANEL, {"a": tube})[1])["PD-1"]
    assert choice.n_events == 4_000 - 70
    assert choice.scale.w == pytest.approx(choose_scales(PANEL, {"a": clean})[0]["PD-1"].scale.w, abs=0.02)


# Mass cytometry, and data that were transformed before


def metals(seed: int, **keywords: str) -> Stained:
    rng = np.random.default_rng(seed)
    counts = rng.exponential(30, (2, 1_000)) * (rng.random((2, 1_000)) < 0.6)
    return Stained({"Pr141Di": counts[0], "Nd142Di": counts[1], "Time": np.arange(1e3)}, 1_000.0, keywords)


METAL_PANEL = (Channel("Pr141Di", "PD-1"), Channel("Nd142Di", "CD8"), Channel("Time", "Time", role="time"))


def test_mass_cytometry_is_arcsinh_with_cofactor_5() -> None:
    for tube in (metals(1, cyt="DVSSCIENCES-CYTOF-6.7"), metals(1)):
        scale = choose_scales(METAL_PANEL, {"a": tube})[0]["PD-1"].scale
        np.testing.assert_allclose(scale.forward([0.0, 5.0, -50.0]), np.arcsinh([0.0, 1.0, -10.0]))


@pytest.mark.parametrize(
    "name", ["450/50Violet-A", "Y585-A", "YG 586/15-A", "BV605 Ly6C", "R780-A", "V655-A"]
)
def test_detectors_of_light_are_no_metals(name: str) -> None:
    tube = cells()
    tube = Stained({name: tube.values["APC-A"], "Time": tube.values["Time"]})
    assert isinstance(choose_scales([Channel(name, "PD-1")], {"a": tube})[0]["PD-1"].scale, Logicle)


def test_values_that_were_transformed_before_are_taken_as_they_are() -> None:
    raw = cells()
    bent = {channel: np.arcsinh(raw.values[channel] / 150) for channel in ("APC-A", "PE-A", "AF-A")}
    tube = Stained({**raw.values, **bent})
    spillover = Spillover(("APC-A", "PE-A"), np.array([[1.0, 0.2], [0.0, 1.0]]))
    dimensions, choices = choose_scales(PANEL, {"a": tube}, spillovers={"a": spillover})
    assert dimensions["PD-1"].scale == Linear()
    assert "transformed before" in by_name(choices)["PD-1"].why
    read = Columns(tube, dimensions, spillover)
    np.testing.assert_array_equal(read.values("CD8"), bent["PE-A"])  # no spillover on a bent scale
    with pytest.raises(StudyError, match=r"CYT311.*bent hold transformed values, raw linear ones"):
        choose_scales(PANEL, {"bent": tube, "raw": raw})


def test_a_tube_of_one_value_throughout_is_not_taken_for_transformed() -> None:
    raw = cells()
    dead = Stained({channel: np.full_like(values, 3.0) for channel, values in raw.values.items()})
    dimensions, _ = choose_scales(PANEL, {"raw": raw, "dead": dead})
    assert isinstance(dimensions["CD8"].scale, Logicle)


def test_a_transformed_channel_among_linear_ones_is_found_by_its_range() -> None:
    raw = cells()
    tube = Stained({**raw.values, "PE-A": np.arcsinh(raw.values["PE-A"] / 150)})
    dimensions, _ = choose_scales(PANEL, {"a": tube})
    assert isinstance(dimensions["PD-1"].scale, Logicle)
    assert dimensions["CD8"].scale == Linear()


def test_an_unstained_tube_of_a_cytometer_with_a_small_range_is_not_taken_for_transformed() -> None:
    stained = cells(top=1_000.0, noise=0.1)  # a MACSQuant's numbers
    unstained = Stained(
        {c: np.random.default_rng(9).normal(0, 0.1, 4_000) for c in stained.channels}, 1_000.0
    )
    scale = choose_scales(PANEL, {"a": stained, "unstained": unstained})[0]["PD-1"].scale
    assert isinstance(scale, Logicle)


# What the study asks for


def test_the_study_may_change_a_parameter_or_the_whole_scale() -> None:
    asked = {
        "PD-1": {"W": 0.7},
        "CD8": {"kind": "arcsinh", "cofactor": 150},
        "FSC-A": {"kind": "log", "T": 1e6, "M": 5},
    }
    dimensions, choices = choose_scales(PANEL, {"a": cells()}, overrides=asked)
    assert dimensions["PD-1"].scale == Logicle(262_144.0, 0.7)
    assert dimensions["CD8"].scale == Arcsinh.with_cofactor(150)
    assert dimensions["FSC-A"].scale == Log(1e6, 5.0)
    assert by_name(choices)["PD-1"].why.startswith("the study asks for w = 0.7; T from")


def test_a_default_is_for_what_is_stained_and_a_marker_overrules_it() -> None:
    asked = {"default": {"kind": "logicle", "T": 1e5, "W": 1.0}, "PD-1": {"W": 0.7}}
    dimensions, _ = choose_scales(PANEL, {"a": cells()}, overrides=asked)
    assert dimensions["PD-1"].scale == Logicle(1e5, 0.7)
    assert dimensions["CD8"].scale == Logicle(1e5, 1.0)
    assert dimensions["FSC-A"].scale == Linear()
    everything = choose_scales(PANEL, {"a": cells()}, overrides={"default": {"cofactor": 150}})[0]
    assert everything["CD8"].scale == Arcsinh.with_cofactor(150)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"PD1": {"W": 0.7}}, r"CYT312.*no marker is called 'PD1'\n  did you mean PD-1\?"),
        ({"PD-1": {"W": 9}}, r"CYT313.*transforms: PD-1.*0 <= W <= M / 2"),
        ({"PD-1": {"kind": "biexp"}}, r"CYT313.*no scale is called 'biexp'"),
        ({"PD-1": {"cofactor": 0}}, r"CYT313.*cofactor is above 0"),
        ({"PD-1": {"kind": "logicle", "W": "wide"}}, r"CYT313.*wide"),
    ],
)
def test_a_wish_that_makes_no_scale_is_an_error(asked: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        choose_scales(PANEL, {"a": cells()}, overrides=asked)


# Real tubes


def panel_of(tube: Tube) -> list[Channel]:
    return [Channel(c, f"{c} {n}") for n, c in enumerate(tube.channels) if c[:3] not in ("FSC", "SSC", "Tim")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cytoexplorer_activation/Activation/Activation_1.fcs", Logicle),
        ("coereba_vd2_seb/2025_07_26_AB_02_INF052_00_SEB.fcs", Logicle),
        ("wnv_mock_virus_mouse/flow_spectre/Mock_01_A.fcs", Logicle),
        ("cytonorm_cytof/Gates_PTLG021_Unstim_Control_1.fcs", Arcsinh),
        ("tidytof/inst/extdata/aml/parbiu_dx_basal.fcs", Arcsinh),
        ("flowdensity_fmo/derived_fcs/sampleFCS_3__f3.fcs", Linear),
    ],
)
def test_real_tubes_get_the_scale_of_their_technique(real_data: Path, name: str, kind: type) -> None:
    tube = read_fcs(real_data / name)
    _, choices = choose_scales(panel_of(tube), {"a": tube}, spillovers={"a": find_spillover(tube)})
    kinds = [isinstance(choice.scale, kind) for choice in choices]
    assert np.mean(kinds) > 0.9
    for choice in choices:
        if isinstance(choice.scale, Logicle):
            assert 0.0 <= choice.scale.w <= 1.7
