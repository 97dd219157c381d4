from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytometry.plots import shared_limits, ticks
from cytometry.plots.axes import elided
from gating.columns import ArrayEvents, Columns, Dimension
from gating.gates import Interval
from gating.scales import Arcsinh, Linear, Log, Logicle, Scale

LOGICLE = Logicle(t=262144, w=0.5, m=4.5, a=0)


def tube(values: list[float], scale: Scale) -> Columns:
    events = ArrayEvents(np.array(values).reshape(-1, 1), ("B1-A",))
    return Columns(events, {"CD4": Dimension("B1-A", scale)})


def test_the_default_logicle_has_the_ticks_that_a_cytometrist_knows() -> None:
    found = ticks(LOGICLE, (0.0, 1.0), room=6)
    assert found.labels == ("0", "10³", "10⁴", "10⁵")
    np.testing.assert_allclose(found.major, LOGICLE.forward([0, 1e3, 1e4, 1e5]))


def test_nothing_but_zero_is_labelled_in_the_linear_region() -> None:
    wide = Logicle(t=262144, w=1.0, m=4.5, a=0)  # linear to about 10^2.9
    found = ticks(wide, (-0.2, 1.0), room=6)
    assert found.labels == ("\N{MINUS SIGN}10³", "0", "10³", "10⁴", "10⁵")


def test_minor_ticks_stand_at_two_to_nine_of_each_decade_on_both_sides_of_zero() -> None:
    found = ticks(LOGICLE, (-0.3, 1.0), room=6)
    for value in (2e3, 5e4, 9e4, -2e2, -9e2):
        assert np.isclose(found.minor, LOGICLE.forward(value)).any(), value
    assert not np.isclose(found.minor, LOGICLE.forward(3e5)).any()  # beyond the limits


def test_linear_scatter_counts_in_thousands() -> None:
    found = ticks(Linear(), (0.0, 262144.0), room=6)
    assert found.labels == ("0", "100K", "200K")
    assert ticks(Linear(), (0.0, 262144.0), room=7).labels == ("0", "50K", "100K", "150K", "200K", "250K")
    assert found.minor == (50_000.0, 150_000.0, 250_000.0)


def test_a_linear_scale_with_a_top_is_labelled_with_raw_values() -> None:
    found = ticks(Linear(t=262144.0), (0.0, 1.0), room=7)
    assert found.labels[-1] == "250K"
    assert found.major[-1] == pytest.approx(250_000 / 262144)


def test_a_log_axis_has_no_zero_and_mass_cytometry_starts_at_ten() -> None:
    assert ticks(Log(t=10_000, m=4), (0.0, 1.0)).labels == ("10⁰", "10¹", "10²", "10³", "10⁴")
    assert ticks(Arcsinh.with_cofactor(5), (-0.5, 8.0)).labels == ("0", "10¹", "10²", "10³")


@given(
    scale=st.sampled_from(
        [LOGICLE, Logicle(w=1.2), Arcsinh.with_cofactor(150), Log(), Linear(), Linear(t=1024)]
    ),
    low=st.floats(-0.4, 0.3),
    span=st.floats(0.3, 1.2),
    room=st.integers(2, 8),
)
def test_ticks_ascend_inside_the_limits_with_a_label_each(
    scale: Scale, low: float, span: float, room: int
) -> None:
    found = ticks(scale, (low, low + span), room=room)
    both = [*found.major, *found.minor]
    assert len(found.labels) == len(found.major)
    assert len(set(found.labels)) == len(found.labels)
    assert list(found.major) == sorted(found.major)
    assert all(low - 1e-9 <= at <= low + span + 1e-9 for at in both)
    if not isinstance(scale, Linear):
        assert (np.diff(found.major) >= span / (room + 3) - 1e-9).all()  # labels do not touch


def test_limits_are_shared_so_that_tubes_compare() -> None:
    dim, bright = tube([100.0] * 500, Linear()), tube([9000.0] * 500, Linear())
    found = shared_limits([dim, bright], ["CD4"])
    assert found == shared_limits([bright, dim], ["CD4"])
    low, high = found["CD4"]
    assert low <= 0
    assert high > 9000


def test_limits_of_a_logicle_do_not_hang_on_the_events_of_a_tube() -> None:
    rng = np.random.default_rng(0)
    first, second = (tube(rng.normal(mean, 20, 500).tolist(), LOGICLE) for mean in (300.0, 20_000.0))
    assert shared_limits([first], ["CD4"]) == shared_limits([second], ["CD4"])


def test_a_cut_lies_inside_the_limits_even_where_no_event_is() -> None:
    low, high = shared_limits([tube([50.0] * 100, Linear())], ["CD4"], gates=[Interval("CD4", low=60.0)])[
        "CD4"
    ]
    assert low < 60.0 < high


def test_one_odd_event_does_not_stretch_the_axis() -> None:
    _, high = shared_limits([tube([*np.linspace(0, 100, 5000), 1e9], Linear())], ["CD4"])["CD4"]
    assert high < 110


@pytest.mark.parametrize("values", [[], [np.nan], [7.0]])
@pytest.mark.parametrize("scale", [Linear(), LOGICLE, Log()])
def test_hardly_any_events_still_give_limits(values: list[float], scale: Scale) -> None:
    low, high = shared_limits([tube(values, scale)], ["CD4"])["CD4"]
    assert np.isfinite([low, high]).all()
    assert low < high


def test_a_label_too_long_keeps_its_marker_and_its_dye() -> None:
    assert elided("CD45RA (BV785)", 20) == "CD45RA (BV785)"
    short = elided("a marker with a very long name (PerCP-Cy5.5)", 24)
    assert len(short) == 24
    assert short.startswith("a marker")
    assert short.endswith("Cy5.5)")
