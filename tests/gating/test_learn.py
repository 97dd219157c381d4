"""Learning: each boundary from the right events of the right tubes, and none invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import TemplateError
from gating.learn import GateRecord, Learnt, TemplateTube, learn
from gating.membership import assign
from gating.records import STATUSES
from gating.scales import Arcsinh, Scale
from gating.template import GatingTemplate
from gating.thresholds import Cut, quantile

SCALE = Arcsinh.with_cofactor(150.0)
T_CELLS = """
[[population]]
name = "T"
cuts = [{ marker = "CD3", rule = "fixed", linear = 1000 }]
"""
PD1 = (
    T_CELLS
    + """
[[population]]
name = "PD-1+"
parent = "T"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.99, source = "fmo" }]
"""
)


def row(name: str, cut: str, *, parent: str = "") -> str:
    return f'\n[[population]]\nname = "{name}"\nparent = "{parent}"\ncuts = [{{ {cut} }}]\n'


def template(rows: str) -> GatingTemplate:
    return GatingTemplate.from_text('[template]\nname = "small"\n' + rows)


def cells(
    seed: int, *, n: int = 4000, t: float = 0.5, pd1: float = 0.3, dim: float = 1.0
) -> dict[str, np.ndarray]:
    """Return events: a share ``t`` of T cells at CD3 5,000, of which ``pd1`` at PD-1 3,000, negatives near 0."""
    rng = np.random.default_rng(seed)
    is_t = rng.random(n) < t
    is_positive = is_t & (rng.random(n) < pd1)
    return {
        "CD3": np.where(is_t, rng.lognormal(np.log(5000), 0.2, n), rng.normal(0, 50, n)),
        "PD-1": np.where(is_positive, rng.lognormal(np.log(3000), 0.4, n), rng.normal(0, 60, n)) * dim,
    }


def tube(
    events: Mapping[str, np.ndarray],
    kind: str = "sample",
    lacks: str = "",
    scale: Scale = SCALE,
    **groups: str,
) -> TemplateTube:
    dimensions = {name: Dimension(name, scale) for name in events}
    columns = Columns(ArrayEvents(np.column_stack(list(events.values())), tuple(events)), dimensions)
    return TemplateTube(columns, kind, (lacks,) if lacks else (), groups)


def fmo(seed: int, **groups: str) -> TemplateTube:
    return tube(cells(seed, pd1=0.0), "fmo", "PD-1", **groups)


def record(learnt: Learnt, population: str, marker: str = "") -> GateRecord:
    found = [g for g in learnt.gates if g.population.endswith(population) and marker in g.marker]
    assert len(found) == 1, found
    return found[0]


def fraction(learnt: Learnt, of: TemplateTube, population: str) -> float:
    return assign(learnt.strategy, of.columns).fraction(population)


def test_an_fmo_boundary_is_the_quantile_of_the_controls_events_in_the_same_parent() -> None:
    sample, control = tube(cells(1), subject="D1"), fmo(2, subject="D1")
    found = learn(template(PD1), {"D1": sample, "FMO": control}, seed=0)["D1"]
    cd3, pd1 = control.columns.linear("CD3"), control.columns.linear("PD-1")
    by_hand = quantile(SCALE.forward(pd1[cd3 >= 1000]), quantile=0.99)
    one = record(found, "PD-1+")
    assert isinstance(by_hand, Cut)
    assert one.value == pytest.approx(by_hand.value, abs=1e-6)
    assert one.linear == pytest.approx(float(SCALE.inverse(one.value)))
    assert (one.learnt_from, one.of, one.status, one.n_events) == (
        ("FMO",),
        "T",
        "learnt",
        int((cd3 >= 1000).sum()),
    )


def test_about_one_percent_of_the_fmo_is_called_positive_and_the_sample_keeps_its_positives() -> None:
    tubes = {"D1": tube(cells(1), subject="D1"), "FMO": fmo(2, subject="D1")}
    learnt = learn(template(PD1), tubes, seed=0)
    assert fraction(learnt["FMO"], tubes["FMO"], "PD-1+") == pytest.approx(0.01, abs=0.005)
    assert fraction(learnt["D1"], tubes["D1"], "PD-1+") == pytest.approx(0.3 + 0.7 * 0.01, abs=0.02)


def test_a_valley_is_found_between_two_peaks() -> None:
    rows = row("T", 'marker = "CD3", rule = "valley"')
    sample = tube(cells(3, t=0.4))
    found = learn(template(rows), {"D1": sample}, seed=0)["D1"]
    truth = np.random.default_rng(3).random(4000) < 0.4
    assert np.mean(assign(found.strategy, sample.columns).of("T") == truth) > 0.999
    assert record(found, "T").confidence > 0.5


def test_a_tubes_result_depends_neither_on_the_order_nor_on_the_other_tubes() -> None:
    tubes = {name: tube(cells(seed, n=6000), subject=name) for seed, name in enumerate(("A", "B", "C"))}
    rows = T_CELLS + (row("high", 'marker = "PD-1", rule = "quantile", quantile = 0.9', parent="T"))
    together = learn(template(rows), tubes, seed=5, max_events=1000)
    turned = learn(template(rows), dict(reversed(tubes.items())), seed=5, max_events=1000)
    alone = learn(template(rows), {"B": tubes["B"]}, seed=5, max_events=1000)
    assert together["B"].gates == turned["B"].gates == alone["B"].gates
    other = learn(template(rows), {"B": tubes["B"]}, seed=6, max_events=1000)
    assert other["B"].gates != alone["B"].gates


def test_a_rare_parent_shows_all_its_events_to_the_rule() -> None:
    events = cells(4, n=60_000, t=0.01)
    rows = T_CELLS + (row("high", 'marker = "PD-1", rule = "quantile", quantile = 0.9', parent="T"))
    found = learn(template(rows), {"D1": tube(events)}, seed=0, max_events=2000)["D1"]
    assert record(found, "high").n_events == int((events["CD3"] >= 1000).sum()) > 500


def test_no_more_events_are_shown_than_asked_for() -> None:
    rows = row("T", 'marker = "CD3", rule = "quantile", quantile = 0.9')
    assert (
        record(learn(template(rows), {"D1": tube(cells(1))}, seed=0, max_events=1500)["D1"], "T").n_events
        == 1500
    )


def test_a_specimens_own_fmo_is_taken_before_any_other() -> None:
    tubes = {
        "pre": tube(cells(1), subject="D1", specimen="pre", batch="1"),
        "FMO other": fmo(2, subject="D2", specimen="D2", batch="1"),
        "FMO post": fmo(3, subject="D1", specimen="post", batch="1"),
        "FMO pre": fmo(4, subject="D1", specimen="pre", batch="1"),
    }
    one = record(learn(template(PD1), tubes, seed=0)["pre"], "PD-1+")
    assert (one.learnt_from, one.status, one.stands_for) == (("FMO pre",), "learnt", "")


@pytest.mark.parametrize(
    ("stand_in", "learnt_from"),
    [("none", ()), ("subject", ("FMO post",)), ("batch", ("FMO post",)), ("stain", ("FMO post",))],
)
def test_the_subjects_other_specimen_stands_in_where_that_is_allowed(
    stand_in: str, learnt_from: tuple[str, ...]
) -> None:
    tubes = {
        "pre": tube(cells(1), subject="D1", specimen="pre", batch="1"),
        "FMO post": fmo(3, subject="D1", specimen="post", batch="2"),
        "FMO other": fmo(2, subject="D2", specimen="D2", batch="1"),
    }
    one = record(learn(template(PD1), tubes, seed=0, stand_in=stand_in)["pre"], "PD-1+")
    assert one.learnt_from == learnt_from
    assert (one.status, one.stands_for) == (("stand-in", "D1") if learnt_from else ("abstained", ""))


def test_the_batch_stands_in_and_is_named_but_another_batch_is_not() -> None:
    tubes = {
        "D1": tube(cells(1), subject="D1", batch="1"),
        "D3": tube(cells(2), subject="D3", batch="2"),
        "FMO": fmo(3, subject="D2", batch="1"),
    }
    learnt = learn(template(PD1), tubes, seed=0)
    one = record(learnt["D1"], "PD-1+")
    assert (one.status, one.stands_for, one.learnt_from) == ("stand-in", "D1", ("FMO",))
    assert one.sentence().endswith(
        f"from T of FMO (stand-in for D1), {one.n_events:,} events, confidence {one.confidence:.2f}"
    )
    lost = record(learnt["D3"], "PD-1+")
    assert lost.status == "abstained"
    assert "there is no FMO control without PD-1 for it" in lost.reason
    assert learnt["D3"].strategy.paths == ("T",)


def test_without_an_fmo_the_population_and_what_is_below_it_are_absent_with_a_reason() -> None:
    rows = PD1 + row("bright", 'marker = "PD-1", rule = "fixed", linear = 5000', parent="PD-1+")
    found = learn(template(rows), {"D1": tube(cells(1))}, seed=0)["D1"]
    assert found.strategy.paths == ("T",)
    assert record(found, "/PD-1+").reason == "there is no FMO control without PD-1"
    assert record(found, "bright").reason == "PD-1+ was not found in this tube"
    assert (
        record(found, "/PD-1+").sentence()
        == "PD-1+: no boundary on PD-1: there is no FMO control without PD-1"
    )


def test_an_alternative_is_tried_where_there_is_no_control_and_says_so() -> None:
    rows = (
        T_CELLS
        + """
[[population]]
name = "not T"
cuts = [{ marker = "CD3", keep = "below", same_as = "T" }]
[[population]]
name = "PD-1+"
parent = "T"
[[population.cuts]]
marker = "PD-1"
rule = "quantile"
source = "fmo"
otherwise = { rule = "quantile", quantile = 0.98, reference = "not T" }
"""
    )
    sample = tube(cells(1))
    one = record(learn(template(rows), {"D1": sample}, seed=0)["D1"], "PD-1+")
    rest = sample.columns.values("PD-1")[sample.columns.linear("CD3") < 1000]
    by_hand = quantile(rest, quantile=0.98)
    assert isinstance(by_hand, Cut)
    assert one.value == pytest.approx(by_hand.value, abs=1e-6)
    assert (one.status, one.source, one.of) == ("stand-in", "own", "not T")
    assert one.reason == "there is no FMO control without PD-1, hence not by quantile in fmo"


def test_an_alternative_on_the_tubes_own_events_is_learnt_and_no_stand_in() -> None:
    otherwise = 'otherwise = { rule = "quantile", quantile = 0.9 }'
    rows = T_CELLS + row("high", f'marker = "PD-1", rule = "valley", {otherwise}', parent="T")
    one = record(learn(template(rows), {"D1": tube(cells(1, pd1=0.0))}, seed=0)["D1"], "high")
    assert (one.status, one.rule) == ("learnt", "quantile")
    assert one.reason.endswith("hence not by valley")


def test_all_events_may_show_where_negative_ends_when_the_parent_cannot() -> None:
    rows = T_CELLS + row("again", 'marker = "CD3", rule = "valley", reference = "all events"', parent="T")
    found = learn(template(rows), {"D1": tube(cells(1))}, seed=0)["D1"]
    one = record(found, "again")
    assert (one.n_events, one.of) == (4000, "all events")
    assert found.strategy.paths == ("T", "T/again")
    without = learn(template(rows.replace(', reference = "all events"', "")), {"D1": tube(cells(1))}, seed=0)[
        "D1"
    ]
    assert record(without, "again").status == "abstained"


def test_a_control_that_lacks_a_marker_of_the_parent_cannot_lend_its_events() -> None:
    control = tube({**cells(2, pd1=0.0)}, "fmo", "PD-1", subject="D1")
    rows = PD1.replace('rule = "fixed", linear = 1000', 'rule = "valley"')
    broken = TemplateTube(control.columns, "fmo", ("PD-1", "CD3"), {"subject": "D1"})
    learnt = learn(template(rows), {"D1": tube(cells(1), subject="D1"), "FMO": broken}, seed=0)
    assert record(learnt["FMO"], "T").reason == "FMO is not stained with CD3"
    assert record(learnt["D1"], "PD-1+").reason == "no FMO control without PD-1 could be gated that far (FMO)"


def test_a_boundary_of_the_batch_also_gates_the_control_that_lacks_the_marker() -> None:
    rows = row("high", 'marker = "PD-1", rule = "quantile", quantile = 0.8, learn_over = "batch"')
    tubes = {"D1": tube(cells(1), batch="1"), "D2": tube(cells(2), batch="1"), "FMO": fmo(3, batch="1")}
    learnt = learn(template(rows), tubes, seed=0)
    assert [record(one, "high").learnt_from for one in learnt.values()] == [("D1", "D2")] * 3
    assert len({record(one, "high").value for one in learnt.values()}) == 1


def test_tubes_learnt_from_together_weigh_the_same_whatever_their_size() -> None:
    def flat(n: int, level: float) -> TemplateTube:
        return tube({"CD3": np.full(n, level) + np.linspace(-1, 1, n), "PD-1": np.zeros(n)}, batch="1")

    rows = row("high", 'marker = "CD3", rule = "quantile", quantile = 0.5, learn_over = "stain"')
    tubes = {"large": flat(30_000, 100.0), "small": flat(1_000, 500.0), "third": flat(1_000, 600.0)}
    one = record(learn(template(rows), tubes, seed=0, max_events=3_000)["large"], "high")
    assert one.n_events == 3_000
    assert one.linear == pytest.approx(500, abs=2)


def test_a_batch_is_shown_its_samples_and_not_its_controls() -> None:
    rows = row("T", 'marker = "CD3", rule = "quantile", quantile = 0.5, learn_over = "batch"')
    tubes = {"D1": tube(cells(1), batch="1"), "FMO": fmo(2, batch="1"), "D2": tube(cells(3), batch="2")}
    learnt = learn(template(rows), tubes, seed=0)
    assert [record(one, "T").learnt_from for one in learnt.values()] == [("D1",), ("D1",), ("D2",)]


def test_a_stimulus_is_a_group_like_any_other_and_an_unknown_group_is_refused() -> None:
    rows = row("T", 'marker = "CD3", rule = "quantile", learn_over = "stimulus"')
    tubes = {"S": tube(cells(1), stimulus="PMA"), "U": tube(cells(2), "unstimulated", stimulus="none")}
    learnt = learn(template(rows), tubes, seed=0)
    assert [record(one, "T").learnt_from for one in learnt.values()] == [("S",), ("U",)]
    with pytest.raises(TemplateError, match=r"no tube says its bacth \(did you mean batch\?\)"):
        learn(template(rows.replace("stimulus", "bacth")), tubes, seed=0)


def test_where_one_tube_shows_no_boundary_all_tubes_together_may() -> None:
    rows = row("T", 'marker = "CD3", rule = "valley", otherwise = "pooled"')
    tubes = {"good": tube(cells(1)), "few": tube(cells(2, n=5))}
    learnt = learn(template(rows), tubes, seed=0)
    pooled = record(learnt["few"], "T")
    assert (record(learnt["good"], "T").status, pooled.status) == ("learnt", "pooled")
    assert pooled.learnt_from == ("few", "good")
    assert pooled.reason
    assert 200 < pooled.linear < 4000
    skipping = learn(template(rows.replace("pooled", "skip")), tubes, seed=0)
    assert skipping["few"].strategy.paths == ()
    assert record(skipping["few"], "T").status == "abstained"


def test_an_unstimulated_tube_sets_the_boundary_of_its_own_specimen() -> None:
    rows = PD1.replace('source = "fmo"', 'source = "unstimulated"')
    tubes = {
        "S1": tube(cells(1), specimen="1", subject="D"),
        "U1": tube(cells(2, pd1=0.0), "unstimulated", specimen="1", subject="D"),
        "S2": tube(cells(3), specimen="2", subject="D"),
        "U2": tube(cells(4, pd1=0.0, dim=3.0), "unstimulated", specimen="2", subject="D"),
    }
    learnt = learn(template(rows), tubes, seed=0)
    assert [record(learnt[name], "PD-1+").learnt_from for name in ("S1", "S2")] == [("U1",), ("U2",)]
    assert record(learnt["S2"], "PD-1+").linear > 2 * record(learnt["S1"], "PD-1+").linear


def test_a_healthy_anchor_sets_one_boundary_for_its_batch() -> None:
    rows = PD1.replace('source = "fmo"', 'source = "healthy_anchor", learn_over = "batch"')
    tubes = {
        "D1": tube(cells(1), subject="1", batch="1"),
        "D2": tube(cells(2), subject="2", batch="1"),
        "H1": tube(cells(3, pd1=0.0), "healthy_anchor", subject="H", batch="1"),
        "D3": tube(cells(4), subject="3", batch="2"),
    }
    learnt = learn(template(rows), tubes, seed=0)
    first = record(learnt["D1"], "PD-1+")
    assert first.value == record(learnt["D2"], "PD-1+").value
    assert (first.status, first.learnt_from) == ("learnt", ("H1",))
    assert record(learnt["D3"], "PD-1+").status == "abstained"


def test_an_unstained_tube_lends_the_deepest_events_it_can_be_gated_to() -> None:
    rows = PD1.replace('source = "fmo"', 'source = "unstained"').replace(
        'rule = "fixed", linear = 1000', 'rule = "valley"'
    )
    blank = tube({"CD3": np.zeros(3000), "PD-1": np.linspace(-100, 100, 3000)}, "unstained", subject="D1")
    one = record(
        learn(template(rows), {"D1": tube(cells(1), subject="D1"), "blank": blank}, seed=0)["D1"], "PD-1+"
    )
    assert one.n_events == 3000
    assert one.linear == pytest.approx(98, abs=1)


def test_tubes_on_other_scales_get_the_same_boundary_on_the_linear_scale() -> None:
    other = Arcsinh.with_cofactor(40.0)
    tubes = {"D1": tube(cells(1), scale=other, subject="D1"), "FMO": fmo(2, subject="D1")}
    mine, control = (record(one, "PD-1+") for one in learn(template(PD1), tubes, seed=0).values())
    assert mine.linear == pytest.approx(control.linear)
    assert mine.value == pytest.approx(float(other.forward(mine.linear)))
    assert mine.value != pytest.approx(control.value)


def test_boundaries_that_cross_leave_an_empty_population_and_no_error() -> None:
    rows = (
        T_CELLS
        + """
[[population]]
name = "between"
cuts = [{ marker = "CD3", same_as = "T" }, { marker = "CD3", keep = "below", rule = "fixed", linear = 500 }]
"""
    )
    sample = tube(cells(1))
    found = learn(template(rows), {"D1": sample}, seed=0)["D1"]
    assert assign(found.strategy, sample.columns).count("between") == 0


def test_a_boundary_used_again_is_the_same_boundary() -> None:
    rows = PD1 + row("PD-1-", 'marker = "PD-1", keep = "below", same_as = "PD-1+"', parent="T")
    sample = tube(cells(1), subject="D1")
    found = learn(template(rows), {"D1": sample, "FMO": fmo(2, subject="D1")}, seed=0)["D1"]
    members = assign(found.strategy, sample.columns)
    assert members.count("PD-1+") + members.count("PD-1-") == members.count("T")
    assert record(found, "PD-1-").learnt_from == ("FMO",)


def test_two_regions_and_a_combination_become_gates() -> None:
    rng = np.random.default_rng(0)
    area = rng.lognormal(np.log(60_000), 0.12, 5000)
    events = {
        "FSC-A": area,
        "FSC-H": area * 0.9 * rng.normal(1, 0.02, 5000),
        "SSC-A": rng.lognormal(np.log(15_000), 0.2, 5000),
    }
    rows = """
[[population]]
name = "cells"
region = { rule = "main cloud", x = "FSC-A", y = "SSC-A" }
[[population]]
name = "singlets"
parent = "cells"
region = { rule = "singlet band", x = "FSC-A", y = "FSC-H" }
[[population]]
name = "out"
boolean = "!singlets | !cells"
"""
    dimensions = {name: Dimension(name) for name in events}
    columns = Columns(ArrayEvents(np.column_stack(list(events.values())), tuple(events)), dimensions)
    found = learn(template(rows), {"D1": TemplateTube(columns)}, seed=0)["D1"]
    members = assign(found.strategy, columns)
    assert members.fraction("singlets") > 0.95
    assert members.count("out") == 5000 - members.count("singlets")
    assert record(found, "cells").marker == "FSC-A x SSC-A"
    assert record(found, "out").sentence() == "out is !singlets | !cells"


def test_a_rule_sees_the_events_that_assigning_later_puts_in_the_parent() -> None:
    rows = (
        T_CELLS
        + """
[[population]]
name = "bright"
parent = "T"
cuts = [{ marker = "CD3", rule = "quantile", quantile = 0.3 }]
[[population]]
name = "both"
parent = "T"
boolean = "bright & T"
[[population]]
name = "high"
parent = "both"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.8 }]
"""
    )
    sample = tube(cells(9))
    found = learn(template(rows), {"D1": sample}, seed=0)["D1"]
    members = assign(found.strategy, sample.columns)
    for population in ("bright", "high"):
        one = record(found, population)
        assert one.n_events == members.count(one.of)


def test_every_row_of_every_tube_has_its_record_and_it_survives_being_plain() -> None:
    tubes = {
        "D1": tube(cells(1), subject="D1"),
        "FMO": fmo(2, subject="D1"),
        "D2": tube(cells(3), subject="D2", batch="9"),
    }
    for found in learn(template(PD1), tubes, seed=0).values():
        assert [gate.population for gate in found.gates] == ["T", "T/PD-1+"]
        for gate in found.gates:
            assert gate.status in STATUSES
            plain = asdict(gate)
            again = GateRecord(**plain)
            assert str(again) == str(gate)


def test_a_fixed_boundary_is_where_the_template_says_on_either_scale() -> None:
    linear = learn(template(T_CELLS), {"D1": tube(cells(1))}, seed=0)["D1"].gates[0]
    assert (linear.linear, linear.status) == (1000.0, "fixed")
    assert linear.value == pytest.approx(float(SCALE.forward(1000.0)))
    assert linear.sentence() == "CD3 ≥ 1,000 (linear), fixed by the template"
    shown = T_CELLS.replace("linear = 1000", f"value = {linear.value}")
    assert learn(template(shown), {"D1": tube(cells(1))}, seed=0)["D1"].gates[0].linear == pytest.approx(1000)


def test_a_condition_if_present_is_dropped_on_the_control_that_lacks_it() -> None:
    optional = 'marker = "PD-1", rule = "fixed", linear = 1, if_present = true'
    rows = row("T", 'marker = "CD3", rule = "fixed", linear = 1000 }, { ' + optional)
    learnt = learn(template(rows), {"D1": tube(cells(1)), "FMO": fmo(2)}, seed=0)
    assert [gate.marker for gate in learnt["D1"].gates] == ["CD3", "PD-1"]
    assert [gate.marker for gate in learnt["FMO"].gates] == ["CD3"]


def test_a_template_that_no_tube_can_show_is_refused_with_the_missing_marker() -> None:
    rows = PD1.replace("PD-1", "PD-L1")
    with pytest.raises(TemplateError, match=r"'PD-L1\+' needs PD-L1.*prune it to the panel"):
        learn(template(rows), {"D1": tube(cells(1))}, seed=0)


def test_no_tubes_teach_nothing() -> None:
    assert learn(template(PD1), {}, seed=0) == {}


def test_a_kind_of_tube_and_a_policy_that_do_not_exist_are_refused() -> None:
    with pytest.raises(TemplateError, match="did you mean unstained"):
        tube(cells(1), "unstaind")
    with pytest.raises(TemplateError, match="stand_in is one of none, subject, batch, stain"):
        learn(template(PD1), {"D1": tube(cells(1))}, seed=0, stand_in="donor")


def test_a_tube_without_events_has_records_and_no_populations_learnt() -> None:
    empty = tube({"CD3": np.zeros(0), "PD-1": np.zeros(0)})
    rows = row("T", 'marker = "CD3", rule = "valley"')
    found = learn(template(rows), {"empty": empty}, seed=0)["empty"]
    assert found.strategy.paths == ()
    assert record(found, "T").n_events == 0
