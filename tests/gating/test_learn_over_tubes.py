"""Learning over tubes: what is pooled, how it is moved to each tube, and what a tube without a boundary is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from gating.cohort import Peers, beside
from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import TemplateError
from gating.learn import GateRecord, Learnt, TemplateTube, learn
from gating.membership import assign
from gating.scales import Arcsinh
from gating.template import GatingTemplate

SCALE = Arcsinh.with_cofactor(150.0)


def template(*rows: str) -> GatingTemplate:
    return GatingTemplate.from_text('[template]\nname = "small"\n' + "".join(rows))


def row(name: str, cut: str, *, parent: str = "") -> str:
    return f'\n[[population]]\nname = "{name}"\nparent = "{parent}"\ncuts = [{{ {cut} }}]\n'


T_CELLS = row("T", 'marker = "CD3", rule = "fixed", linear = 1000')


def cells(seed: int, *, n: int = 3000, low: float = 0.0, high: float = 3000.0, share: float = 0.4) -> Mapping:
    """Return T cells and others; PD-1 negatives lie about ``low`` on the display scale, a share at ``high``."""
    rng = np.random.default_rng(seed)
    is_t = rng.random(n) < 0.6
    positive = is_t & (rng.random(n) < share)
    dim = SCALE.inverse(rng.normal(low, 0.35, n))
    return {
        "CD3": np.where(is_t, rng.lognormal(np.log(5000), 0.2, n), rng.normal(0, 50, n)),
        "PD-1": np.where(positive, rng.lognormal(np.log(high), 0.4, n), dim),
    }


def tube(events: Mapping, kind: str = "sample", lacks: str = "", **groups: str) -> TemplateTube:
    dimensions = {name: Dimension(name, SCALE) for name in events}
    columns = Columns(ArrayEvents(np.column_stack(list(events.values())), tuple(events)), dimensions)
    return TemplateTube(columns, kind, (lacks,) if lacks else (), groups)


def record(learnt: Learnt, population: str) -> GateRecord:
    (found,) = (gate for gate in learnt.gates if gate.population.endswith(population))
    return found


def batch(shifts: Mapping[str, float]) -> dict[str, TemplateTube]:
    """Return tubes whose negatives lie higher by so much on the display scale, one seed each."""
    return {
        name: tube(cells(seed, low=low, high=float(SCALE.inverse(3.7 + low))), batch="1", subject=name)
        for seed, (name, low) in enumerate(shifts.items())
    }


SHIFTED = row(
    "PD-1+", 'marker = "PD-1", rule = "valley", learn_over = "batch", shift_by = "negative peak"', parent="T"
)


def test_a_pooled_cut_follows_each_tubes_negative_peak() -> None:
    lows = {"A": 0.0, "B": 0.4, "C": -0.3}
    found = learn(template(T_CELLS, SHIFTED), batch(lows), seed=0)
    cuts = {name: record(found[name], "PD-1+") for name in lows}
    for name, low in lows.items():
        assert cuts[name].value - cuts["A"].value == pytest.approx(low, abs=0.05)
        assert cuts[name].learnt_from == ("A", "B", "C")
        assert cuts[name].status == "learnt"
        assert assign(found[name].strategy, batch(lows)[name].columns).fraction("PD-1+") == pytest.approx(
            0.4, abs=0.03
        )
    assert cuts["B"].shift - cuts["C"].shift == pytest.approx(0.7, abs=0.05)


def test_a_shift_moves_the_cut_and_its_interval_and_the_record_says_so() -> None:
    found = record(
        learn(template(T_CELLS, SHIFTED), batch({"A": 0.0, "B": 0.5, "C": 0.1}), seed=0)["B"], "PD-1+"
    )
    low, high = found.value_interval
    assert low < found.value < high
    assert found.interval == pytest.approx((float(SCALE.inverse(low)), float(SCALE.inverse(high))))
    assert found.saw["shift"] == found.shift > 0.2
    assert "moved" in found.sentence()


def test_without_shift_one_cut_serves_the_whole_batch() -> None:
    plain = SHIFTED.replace(', shift_by = "negative peak"', "")
    found = learn(template(T_CELLS, plain), batch({"A": 0.0, "B": 0.4}), seed=0)
    assert record(found["A"], "PD-1+") == record(found["B"], "PD-1+")
    assert record(found["A"], "PD-1+").shift == 0.0


def test_a_control_of_the_batch_is_moved_by_the_main_peak_of_a_named_population() -> None:
    rows = T_CELLS + row("others", 'marker = "CD3", rule = "fixed", linear = 1000, keep = "below"')
    cut = (
        'marker = "PD-1", rule = "quantile", quantile = 0.99, source = "healthy_anchor", learn_over = "batch"'
    )
    shifted = row("PD-1+", f'{cut}, shift_by = "others"', parent="T")
    tubes = batch({"A": 0.0, "B": 0.4})
    tubes["anchor"] = tube(cells(9, share=0.0), "healthy_anchor", batch="1", subject="H")
    found = learn(template(rows, shifted), tubes, seed=0)
    anchor, near, far = (record(found[name], "PD-1+") for name in ("anchor", "A", "B"))
    assert (anchor.shift, near.shift) == (pytest.approx(0, abs=0.04), pytest.approx(0, abs=0.04))
    assert far.value - anchor.value == pytest.approx(0.4, abs=0.05)
    assert far.learnt_from == ("anchor",)


def test_a_tube_without_the_peak_abstains_and_may_be_cut_by_the_pool_unshifted() -> None:
    tubes = batch({"A": 0.0, "B": 0.4})
    few = {name: values[:40] for name, values in cells(5).items()}
    tubes["few"] = tube(few, batch="1", subject="few")
    lost = record(learn(template(T_CELLS, SHIFTED), tubes, seed=0)["few"], "PD-1+")
    assert lost.status == "abstained"
    assert lost.reason.startswith("nothing to shift it by: too few events")
    pooled = SHIFTED.replace("shift_by", 'otherwise = "pooled", shift_by')
    given = record(learn(template(T_CELLS, pooled), tubes, seed=0)["few"], "PD-1+")
    assert (given.status, given.shift) == ("pooled", 0.0)


def test_a_shift_of_a_single_tube_is_refused() -> None:
    with pytest.raises(TemplateError, match="say over which"):
        template(row("PD-1+", 'marker = "PD-1", rule = "valley", shift_by = "negative peak"'))


def test_shifted_cuts_depend_neither_on_the_order_of_the_tubes() -> None:
    tubes = batch({"A": 0.0, "B": 0.4, "C": -0.2})
    one = learn(template(T_CELLS, SHIFTED), tubes, seed=3)
    other = learn(template(T_CELLS, SHIFTED), dict(reversed(tubes.items())), seed=3)
    assert all(one[name].gates == other[name].gates for name in tubes)


VALLEY = 'marker = "PD-1", rule = "valley", otherwise = "cohort"'


def cohort(n: int = 5) -> dict[str, TemplateTube]:
    found = {f"D{i}": tube(cells(i), batch="1", subject=f"D{i}") for i in range(n)}
    found["smear"] = tube(cells(99, share=0.0), batch="1", subject="smear")
    return found


def test_a_tube_without_a_valley_is_given_the_median_cut_of_its_batch_and_says_whose() -> None:
    tubes = cohort()
    tubes["far"] = tube(cells(7, high=30_000), batch="2", subject="far")
    found = learn(template(T_CELLS, row("PD-1+", VALLEY, parent="T")), tubes, seed=0)
    own = [record(found[f"D{i}"], "PD-1+").value for i in range(5)]
    given = record(found["smear"], "PD-1+")
    assert given.value == pytest.approx(float(np.median(own)))
    assert given.linear == pytest.approx(float(SCALE.inverse(given.value)))
    assert (given.status, given.learnt_from) == ("cohort", ("D0", "D1", "D2", "D3", "D4"))
    assert given.confidence == 0
    assert given.reason.startswith("no valley")
    assert given.reason.endswith("hence the median of 5 boundaries of its batch 1")
    assert found["smear"].strategy.paths == ("T", "T/PD-1+")


def test_too_small_a_batch_takes_the_median_of_the_stain_and_too_small_a_stain_nothing() -> None:
    cut = template(T_CELLS, row("PD-1+", VALLEY, parent="T"))
    tubes = cohort(4)
    tubes["smear"] = replace(tubes["smear"], groups={"batch": "2"})
    assert record(learn(cut, tubes, seed=0)["smear"], "PD-1+").reason.endswith("4 boundaries of its stain")
    few = {name: tubes[name] for name in ("D0", "D1", "smear")}
    lost = record(learn(cut, few, seed=0)["smear"], "PD-1+")
    assert lost.status == "abstained"
    assert lost.reason.endswith("only 2 different boundaries in its cohort, and 3 are needed")


def test_the_cohort_of_a_stimulated_tube_has_no_tube_of_another_stimulus() -> None:
    tubes = cohort()
    tubes = {name: replace(t, groups={**t.groups, "stimulus": "PMA"}) for name, t in tubes.items()}
    tubes["smear"] = replace(tubes["smear"], groups={"batch": "1", "stimulus": "CD3"})
    lost = record(learn(template(T_CELLS, row("PD-1+", VALLEY, parent="T")), tubes, seed=0)["smear"], "PD-1+")
    assert lost.reason.endswith("none in its cohort")


def test_the_alternative_is_tried_before_the_cohort_is_asked() -> None:
    cut = 'marker = "PD-1", rule = "valley", otherwise = { rule = "tail", otherwise = "cohort" }'
    found = learn(template(T_CELLS, row("PD-1+", cut, parent="T")), cohort(), seed=0)["smear"]
    assert (record(found, "PD-1+").rule, record(found, "PD-1+").status) == ("tail", "learnt")


JOINED = 'marker = "CD3", rule = "valley", learn_over = "batch"'


@pytest.mark.parametrize(("join", "tubes"), [("", ("D1",)), (', join = "fmo"', ("D1", "FMO"))])
def test_a_control_joins_the_samples_only_where_the_template_says_so(
    join: str, tubes: tuple[str, ...]
) -> None:
    given = {"D1": tube(cells(1), batch="1"), "FMO": tube(cells(2), "fmo", "PD-1", batch="1")}
    found = learn(template(row("T", JOINED + join)), given, seed=0)["D1"]
    assert record(found, "T").learnt_from == tubes


def test_a_control_does_not_join_below_a_population_that_needs_the_marker_it_lacks() -> None:
    given = {"D1": tube(cells(1), batch="1"), "FMO": tube(cells(2), "fmo", "PD-1", batch="1")}
    rows = row("PD-1+", 'marker = "PD-1", rule = "fixed", linear = 100')
    below = row("T", f'{JOINED}, join = "fmo"', parent="PD-1+")
    assert record(learn(template(rows, below), given, seed=0)["D1"], "T").learnt_from == ("D1",)


def test_another_tissue_of_the_same_animal_says_where_negative_ends() -> None:
    given = {
        "tumour": tube(cells(1, high=800.0), subject="M1", tissue="tumour"),
        "spleen": tube(cells(2, share=0.0), subject="M1", tissue="spleen"),
        "spleen of M2": tube(cells(3, share=0.0), subject="M2", tissue="spleen"),
    }
    cut = 'marker = "PD-1", rule = "quantile", quantile = 0.99, tissue = "spleen"'
    found = learn(template(T_CELLS, row("PD-1+", cut, parent="T")), given, seed=0)
    assert record(found["tumour"], "PD-1+").learnt_from == ("spleen",)
    assert record(found["spleen of M2"], "PD-1+").learnt_from == ("spleen of M2",)
    del given["spleen"]
    stranger = record(
        learn(template(T_CELLS, row("PD-1+", cut, parent="T")), given, seed=0)["tumour"], "PD-1+"
    )
    assert (stranger.status, stranger.learnt_from) == ("stand-in", ("spleen of M2",))


def test_of_two_cuts_on_one_side_the_stricter_decides_for_those_that_use_it_again() -> None:
    two = (
        '\n[[population]]\nname = "PD-1+"\ncuts = [\n'
        '  { marker = "PD-1", rule = "fixed", linear = 500 },\n'
        '  { marker = "PD-1", rule = "fixed", linear = 200 },\n]\n'
    )
    again = row("PD-1-", 'marker = "PD-1", keep = "below", same_as = "PD-1+"')
    found = learn(template(two, again), {"D1": tube(cells(1))}, seed=0)["D1"]
    assert record(found, "PD-1-").linear == 500
    whole = assign(found.strategy, tube(cells(1)).columns)
    assert whole.count("PD-1+") + whole.count("PD-1-") == 3000


def test_a_region_may_be_drawn_on_another_population_and_try_another_rule() -> None:
    rng = np.random.default_rng(3)
    n = 4000
    area = rng.lognormal(np.log(50_000), 0.15, n)
    events = {"FSC-A": area, "FSC-H": area * rng.normal(0.7, 0.02, n), "CD3": rng.normal(3000, 100, n)}
    scatter = row("T", 'marker = "CD3", rule = "fixed", linear = 2900')
    region = (
        '\n[[population]]\nname = "singlets"\nparent = "T"\n'
        'region = { rule = "singlet band", x = "FSC-A", y = "FSC-H", reference = "all events" }\n'
    )
    linear = {name: Dimension(name) for name in events}
    given = TemplateTube(
        Columns(ArrayEvents(np.column_stack(list(events.values())), tuple(events)), linear), "sample"
    )
    found = record(learn(template(scatter, region), {"D1": given}, seed=0)["D1"], "singlets")
    assert (found.of, found.n_events) == ("all events", n)
    tried = region.replace("reference", 'source = "fmo", otherwise = { rule = "singlet band" }, reference')
    other = record(learn(template(scatter, tried), {"D1": given}, seed=0)["D1"], "singlets")
    assert other.status == "learnt"
    assert other.reason == "there is no FMO control without FSC-A or FSC-H, hence not by singlet band"


def test_a_template_that_says_all_this_is_written_as_it_was_read() -> None:
    said = template(
        T_CELLS, SHIFTED, row("PD-1 dim", VALLEY, parent="T"), row("B", f'{JOINED}, join = "fmo"')
    )
    assert GatingTemplate.from_text(said.to_toml()) == said


@pytest.mark.parametrize(
    ("cut", "wrong"),
    [
        ('marker = "CD3", rule = "valley", join = "fmoo"', "no join is called 'fmoo'"),
        ('marker = "CD3", rule = "valley", join = 3', "join is a kind of control tube"),
        ('marker = "CD3", rule = "valley", source = "fmo", join = "fmo"', "learns from none"),
        (
            'marker = "CD3", rule = "valley", learn_over = "batch", shift_by = "B"',
            "shift_by of CD3: no population",
        ),
        ('marker = "CD3", rule = "valley", otherwise = "cohorts"', "did you mean cohort"),
    ],
)
def test_what_a_row_says_wrongly_is_told(cut: str, wrong: str) -> None:
    with pytest.raises(TemplateError, match=wrong):
        template(row("T", cut))


def test_a_tube_stained_much_brighter_than_its_batch_is_told_and_keeps_its_own_cut() -> None:
    tubes = batch({f"D{i}": low for i, low in enumerate((0.0, 0.05, -0.04, 0.02, -0.03, 0.04, 1.3))})
    found = learn(
        template(T_CELLS, row("PD-1+", 'marker = "PD-1", rule = "valley"', parent="T")), tubes, seed=0
    )
    cuts = {name: record(one, "PD-1+") for name, one in found.items()}
    peers = Peers({name: (tube.kind, tube.groups) for name, tube in tubes.items()})
    assert {name for name, cohort in beside(cuts, peers).items() if cohort.outlying} == {"D6"}
    assert cuts["D6"].status == "learnt"
    assert assign(found["D6"].strategy, tubes["D6"].columns).fraction("PD-1+") == pytest.approx(0.4, abs=0.03)
