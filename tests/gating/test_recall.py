"""A rule's answer depends on its name, its options and the values; a memory may stand in for the rule."""

from __future__ import annotations

import json

import numpy as np

from gating.answers import Cut, RegionFound
from gating.columns import ArrayEvents, Columns, Dimension
from gating.learn import TemplateTube, learn
from gating.recall import Answer, answer_from_dict, answer_to_dict, ask, question
from gating.template import GatingTemplate
from gating.thresholds import RULES

TEMPLATE = GatingTemplate.from_text("""
[template]
name = "small"

[[population]]
name = "cells"
region = { rule = "main cloud", x = "FSC-A", y = "SSC-A" }

[[population]]
name = "T"
parent = "cells"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "PD-1+"
parent = "T"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.99 }]
""")


def tube(seed: int, n: int = 3_000) -> TemplateTube:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.5
    scatter = rng.normal(50_000, 5_000, (n, 2))
    markers = [rng.normal(0, 1, n) + 8 * positive, rng.normal(0, 1, n)]
    names = ("FSC-A", "SSC-A", "CD3", "PD-1")
    events = ArrayEvents(np.column_stack([scatter, *markers]), names)
    return TemplateTube(Columns(events, {name: Dimension(name) for name in names}))


def learnt(tubes: dict[str, TemplateTube], memory: dict[str, Answer] | None) -> list[object]:
    found = learn(TEMPLATE, tubes, seed=1, memory=memory)
    return [(one.strategy.to_dict(), repr(one.gates)) for one in found.values()]


def test_what_is_learnt_with_a_memory_is_what_is_learnt_without() -> None:
    tubes = {"A": tube(1), "B": tube(2)}
    memory: dict[str, Answer] = {}
    plain = learnt(tubes, None)
    assert learnt(tubes, memory) == plain, "an empty memory"
    assert len(memory) == 6, "three rules in two tubes"
    assert learnt(tubes, memory) == plain, "a full one"
    kept = {key: answer_from_dict(json.loads(json.dumps(answer_to_dict(a)))) for key, a in memory.items()}
    assert learnt(tubes, kept) == plain, "one that was written down"


def test_a_written_answer_keeps_its_interval_to_the_last_bit() -> None:
    cut = Cut(0.3, 0.5, 9, {"depth": 1 / 3}, (0.1 + 0.2 - 0.1, 2 / 3))
    region = RegionFound(np.eye(3, 2), 0.5, 9, {}, (1 / 7, 2 / 7))
    for answer in (cut, Cut(0.3, 0.5, 9, {})):
        assert answer_from_dict(json.loads(json.dumps(answer_to_dict(answer)))) == answer
    again = answer_from_dict(json.loads(json.dumps(answer_to_dict(region))))
    assert isinstance(again, RegionFound)
    assert again.share == region.share


def test_a_changed_tube_costs_its_own_rules_alone() -> None:
    memory: dict[str, Answer] = {}
    learnt({"A": tube(1), "B": tube(2)}, memory)
    known = set(memory)
    learnt({"A": tube(1), "B": tube(3)}, memory)
    assert len(set(memory) - known) == 3


def test_a_memory_is_believed_and_so_the_rule_is_not_asked() -> None:
    values = np.arange(5_000.0)
    memory: dict[str, Answer] = {}
    first = ask(RULES["quantile"], values, options={"quantile": 0.9}, memory=memory)
    other = ask(RULES["quantile"], values + 1, options={"quantile": 0.9}, memory=None)
    key = next(iter(memory))
    memory[key] = other
    assert ask(RULES["quantile"], values, options={"quantile": 0.9}, memory=memory) == other != first


def test_a_question_is_another_where_rule_option_value_or_shape_is() -> None:
    values = np.arange(6.0)
    asked = [
        question("tail", {"quantile": 0.9}, values),
        question("valley", {"quantile": 0.9}, values),
        question("tail", {"quantile": 0.8}, values),
        question("tail", {"quantile": 0.9}, np.nextafter(values, 9)),
        question("tail", {"quantile": 0.9}, values.reshape(3, 2)),
    ]
    assert len(set(asked)) == len(asked)
    assert question("tail", {"quantile": 0.9}, values[::-1][::-1]) == asked[0]
