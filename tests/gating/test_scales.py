from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flowutils import transforms
from hypothesis import given
from hypothesis import strategies as st

from gating.errors import ScaleError
from gating.scales import (
    Arcsinh,
    Biex,
    FlowJoLog,
    Hyperlog,
    Linear,
    Log,
    Logicle,
    Scale,
    scale_from_dict,
    scale_to_dict,
)

SCALES: list[Scale] = [
    Linear(),
    Linear(t=262144, a=1000),
    Log(t=10000, m=4),
    Arcsinh(t=262144, m=4.5, a=1),
    Arcsinh.with_cofactor(5),
    Logicle(),
    Logicle(w=1.2),
    Logicle(w=0),
    Logicle(t=4194304, w=0.7, m=5, a=-0.3),
    Hyperlog(),
    Hyperlog(t=1000, w=1.0, m=4, a=0.5),
    FlowJoLog(offset=2.0, decades=4.5),
    Biex(t=4194304.0, width=-100.0, negative=1.0),
]


@pytest.fixture
def intensities() -> np.ndarray:
    rng = np.random.default_rng(7)
    bright = 10 ** rng.uniform(0, 6, 5000)
    return np.concatenate([rng.normal(0, 100, 5000), bright, -bright[:500], [0.0, 1e-9, -1e-9, 262144.0]])


def far_and_near(rng: np.random.Generator) -> np.ndarray:
    """Return 150,000 values: around zero, over decades and far beyond any detector, whole numbers, zeros."""
    bright, absurd = 10 ** rng.uniform(-3, 6, 40_000), 10 ** rng.uniform(-300, 120, 5_000)
    whole = rng.integers(-2_000, 300_000, 30_000).astype(float)
    return np.concatenate([rng.normal(0, 100, 30_000), bright, -bright, absurd, -absurd, whole, [0.0, -0.0]])


PARAMETERS = [
    {"t": t, "w": w, "m": m, "a": a}
    for t in (262144.0, 262143.0, 4194304.0, 1000.0)
    for w, m, a in ((0.5, 4.5, 0.0), (1.2, 4.5, 0.0), (0.7, 5.0, 0.5), (2.25, 4.5, 0.0), (0.7, 5.0, -0.3))
]


@pytest.mark.parametrize("kind", [Logicle, Hyperlog])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_logicle_and_hyperlog_are_flowutils_to_the_last_bit(
    kind: type[Logicle | Hyperlog], parameters: dict[str, float]
) -> None:
    rng = np.random.default_rng(7)
    values, shown = far_and_near(rng), rng.uniform(-1, 1.5, 20_000)
    scale = kind(**parameters)
    expected = getattr(transforms, kind.kind)(values, None, **parameters)
    gave_up = expected == -1  # hyperlog, far beyond the top
    assert (np.abs(values[gave_up]) > 1e9 * scale.t).all()
    assert np.array_equal(scale.forward(values)[~gave_up], expected[~gave_up])
    linear = getattr(transforms, f"{kind.kind}_inverse")(shown, None, **parameters)
    assert np.array_equal(scale.inverse(shown), linear)


@pytest.mark.parametrize(
    "scale", [Logicle(), Logicle(w=0), Logicle(w=0, a=0.5), Hyperlog(), Hyperlog(w=0.01)]
)
def test_a_value_that_flowutils_gives_up_on_lies_where_its_neighbours_do(scale: Logicle | Hyperlog) -> None:
    # flowutils returns -1 for them, which lies inside every negative gate.
    values = 10.0 ** np.linspace(-300, 300, 100_000)
    shown = scale.forward(values)
    assert np.isfinite(shown).all()
    assert np.diff(shown).min() > -1e-14
    assert shown[0] == pytest.approx(float(scale.forward(0.0)))


@pytest.mark.parametrize(
    ("width", "negative", "positive", "t"),
    [(-10.0, 0.0, 4.41854, 262144.000029), (-7.943282, 1.0, 4.41854, 262144.000029), (-1.0, 0.0, 4.0, 1e3)]
    + [(width, 0.5, 5.0, 4194304.0) for width in (-1.778279, -100.0, -1000.0)],
)
def test_biex_is_flowkits_to_the_last_bit(width: float, negative: float, positive: float, t: float) -> None:
    import flowkit

    rng = np.random.default_rng(7)
    values, shown = far_and_near(rng), rng.uniform(-50, 4200, 20_000)
    scale = Biex(t=t, width=width, negative=negative, positive=positive)
    theirs = flowkit.transforms.WSPBiexTransform(negative, width, positive, t)
    assert np.array_equal(scale.forward(values), theirs.apply(values))
    assert np.array_equal(scale.inverse(shown), theirs.inverse(shown))
    linear, display = scale.nodes
    assert (np.diff(linear) > 0).all()
    assert np.array_equal(scale.forward(linear), display)


def test_biex_follows_flowjos_own_table(real_data: Path) -> None:
    found = sorted(real_data.glob("flowkit/flowjo_xforms/tr_biex_*.csv"))
    if not found:
        pytest.skip("FlowJo's table is not in this folder of real data")
    said = dict(re.findall(r"_([wnmr])(-?[0-9.]+[0-9])", found[0].stem))
    scale = Biex(float(said["r"]), float(said["w"]), float(said["n"]), float(said["m"]))
    channels, linear = np.loadtxt(found[0], delimiter=",", skiprows=1).T
    np.testing.assert_allclose(scale.nodes[0][: len(linear)], linear, rtol=5e-6, atol=2e-3)
    assert np.array_equal(scale.nodes[1][: len(linear)], channels)


def test_log_linear_and_arcsinh_are_flowkits_to_the_last_bit() -> None:
    import flowkit

    rng = np.random.default_rng(7)
    values, shown = far_and_near(rng), rng.uniform(-1, 1.5, 20_000)
    kinds = flowkit.transforms
    pairs = [
        (Linear(262144.0, 100.0), kinds.LinearTransform(262144.0, 100.0)),
        (Log(10000.0, 4.3), kinds.LogTransform(10000.0, 4.3)),
        (Arcsinh(262144.0, 4.5, 0.3), kinds.AsinhTransform(262144.0, 4.5, 0.3)),
    ]
    with np.errstate(all="ignore"):
        for ours, theirs in pairs:
            assert np.array_equal(ours.forward(values), theirs.apply(values), equal_nan=True)
            assert np.array_equal(ours.inverse(shown), theirs.inverse(shown))
        log = kinds.WSPLogTransform(3.3, 4.06)
        assert np.array_equal(FlowJoLog(3.3, 4.06).forward(values), log.apply(values))


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: s.name)
def test_inverse_undoes_forward(scale: Scale, intensities: np.ndarray) -> None:
    values = intensities[intensities > 0] if isinstance(scale, Log) else intensities
    if isinstance(scale, FlowJoLog | Biex):  # held beyond their ends
        low = scale.offset if isinstance(scale, FlowJoLog) else scale.nodes[0][0]
        values = values[(values >= low) & (values <= scale.t)]
    back = scale.inverse(scale.forward(values))
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-9)


def test_flowjos_log_holds_what_lies_below_the_offset_at_zero() -> None:
    shown = FlowJoLog(offset=10.0, decades=4).forward([-5.0, 0.0, 10.0, 1000.0, 100_000.0])
    np.testing.assert_allclose(shown, [0.0, 0.0, 0.0, 0.5, 1.0])


def test_hyperlog_is_one_at_the_top_and_odd_about_zero() -> None:
    scale = Hyperlog(t=1000, w=0.5, m=4)
    assert scale.forward(1000.0) == pytest.approx(1.0)
    zero = float(scale.forward(0.0))
    assert zero == pytest.approx(0.5 / 4)
    assert float(scale.forward(-50.0)) - zero == pytest.approx(zero - float(scale.forward(50.0)))


def test_scales_import_no_compiler_until_values_are_scaled() -> None:
    code = "import sys, gating.scales as s; s.Logicle(); s.Hyperlog(); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.floats(-1e5, 1e6), min_size=2, max_size=30, unique=True), st.sampled_from(SCALES))
def test_a_brighter_event_never_lies_lower(values: list[float], scale: Scale) -> None:
    if isinstance(scale, Log):
        values = [abs(value) + 1e-9 for value in values]
    shown = scale.forward(sorted(values))
    rounding = 1e-15 * max(1.0, float(np.abs(shown).max()))  # neighbours may change places in the last bit
    assert (np.diff(shown) >= -rounding).all()


def test_logicle_is_one_at_the_top_and_odd_about_zero() -> None:
    scale = Logicle(t=1000, w=0.5, m=4)
    assert scale.forward(1000.0) == pytest.approx(1.0)
    zero = float(scale.forward(0.0))
    assert float(scale.forward(-50.0)) - zero == pytest.approx(zero - float(scale.forward(50.0)))


def test_events_that_are_no_number_stay_no_number() -> None:
    # FlowKit turns NaN into -1, which lies inside every negative gate.
    for scale in (Logicle(), Hyperlog()):
        shown = scale.forward([np.nan, np.inf, -np.inf])
        assert np.array_equal(shown, [np.nan, np.inf, -np.inf], equal_nan=True)


def test_arcsinh_with_cofactor_five_is_what_mass_cytometry_means() -> None:
    np.testing.assert_allclose(Arcsinh.with_cofactor(5).forward([0, 5, 50]), np.arcsinh([0.0, 1.0, 10.0]))


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: s.name)
def test_a_scale_survives_being_written_down(scale: Scale) -> None:
    assert scale_from_dict(scale_to_dict(scale)) == scale


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (
            {"kind": "biexp"},
            "no scale is called 'biexp'; choose one of arcsinh, biex, flowjo_log, hyperlog, linear, log, logicle",
        ),
        ({"kind": "logicle", "cofactor": 5}, "a logicle scale does not take cofactor"),
        ({"kind": "logicle", "W": 3}, "needs 0 <= W <= M / 2"),
        ({"kind": "log", "T": -1}, "needs T and M above 0"),
        ({"kind": "logicle", "W": 0, "M": 0}, "needs T and M above 0"),
        ({"kind": "hyperlog", "W": 0}, "needs 0 < W <= M / 2"),
        ({"kind": "hyperlog", "A": 9}, "needs -W <= A <= M - 2 W"),
        ({"kind": "flowjo_log", "offset": 0}, "needs offset and decades above 0"),
        ({"kind": "biex", "width": 10}, "a width of -1 or below"),
        ({"kind": "biex", "width": -1000, "positive": 1}, "more positive decades than log10"),
    ],
)
def test_parameters_that_define_no_scale_are_refused(description: dict[str, object], message: str) -> None:
    with pytest.raises(ScaleError, match=re.escape(message)):
        scale_from_dict(description)
