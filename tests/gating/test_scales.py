from __future__ import annotations

import numpy as np
import pytest
from flowutils import transforms
from hypothesis import given
from hypothesis import strategies as st

from gating.errors import ScaleError
from gating.scales import Arcsinh, Linear, Log, Logicle, Scale, scale_from_dict, scale_to_dict

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
]


@pytest.fixture
def intensities() -> np.ndarray:
    rng = np.random.default_rng(7)
    bright = 10 ** rng.uniform(0, 6, 5000)
    return np.concatenate([rng.normal(0, 100, 5000), bright, -bright[:500], [0.0, 1e-9, -1e-9, 262144.0]])


@pytest.mark.parametrize("w", [0.25, 0.5, 1.2, 2.25])
def test_logicle_agrees_with_the_code_of_moore_and_parks(w: float, intensities: np.ndarray) -> None:
    expected = transforms.logicle(intensities, None, t=262144, m=4.5, w=w, a=0)
    np.testing.assert_allclose(Logicle(w=w).forward(intensities), expected, rtol=0, atol=2e-15)


def test_arcsinh_and_log_agree_with_gating_ml_as_flowutils_writes_it(intensities: np.ndarray) -> None:
    expected = transforms.asinh(intensities, None, t=262144, m=4.5, a=1)
    np.testing.assert_allclose(Arcsinh(a=1).forward(intensities), expected, rtol=1e-13)
    positive = intensities[intensities > 0]
    np.testing.assert_allclose(
        Log().forward(positive), transforms.log(positive, None, t=262144, m=4.5), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: s.name)
def test_inverse_undoes_forward(scale: Scale, intensities: np.ndarray) -> None:
    values = intensities[intensities > 0] if isinstance(scale, Log) else intensities
    back = scale.inverse(scale.forward(values))
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-9)


@given(st.lists(st.floats(-1e5, 1e6), min_size=2, max_size=30, unique=True))
def test_a_brighter_event_never_lies_lower_on_the_logicle_scale(values: list[float]) -> None:
    shown = Logicle(w=1.0).forward(sorted(values))
    assert (np.diff(shown) >= 0).all()


def test_logicle_is_one_at_the_top_and_odd_about_zero() -> None:
    scale = Logicle(t=1000, w=0.5, m=4)
    assert scale.forward(1000.0) == pytest.approx(1.0)
    zero = float(scale.forward(0.0))
    assert float(scale.forward(-50.0)) - zero == pytest.approx(zero - float(scale.forward(50.0)))


def test_events_that_are_no_number_stay_no_number() -> None:
    # FlowKit turns NaN into -1, which lies inside every negative gate.
    shown = Logicle().forward([np.nan, np.inf, -np.inf])
    assert np.isnan(shown[0])
    assert shown[1] == np.inf
    assert shown[2] == -np.inf


def test_arcsinh_with_cofactor_five_is_what_mass_cytometry_means() -> None:
    np.testing.assert_allclose(Arcsinh.with_cofactor(5).forward([0, 5, 50]), np.arcsinh([0.0, 1.0, 10.0]))


@pytest.mark.parametrize("scale", SCALES, ids=lambda s: s.name)
def test_a_scale_survives_being_written_down(scale: Scale) -> None:
    assert scale_from_dict(scale_to_dict(scale)) == scale


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"kind": "biexp"}, "no scale is called 'biexp'; choose one of arcsinh, linear, log, logicle"),
        ({"kind": "logicle", "cofactor": 5}, "a logicle scale does not take cofactor"),
        ({"kind": "logicle", "W": 3}, "needs 0 <= W <= M / 2"),
        ({"kind": "log", "T": -1}, "needs T and M above 0"),
    ],
)
def test_parameters_that_define_no_scale_are_refused(description: dict[str, object], message: str) -> None:
    with pytest.raises(ScaleError, match=message.replace("/", ".")):
        scale_from_dict(description)
