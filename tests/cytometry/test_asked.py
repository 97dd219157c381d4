from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from cytometry.asked import asked_of
from cytometry.errors import CompareError


@dataclass
class About:
    """What is read of a run."""

    info: dict[str, Any] = field(default_factory=dict)


def run(*comparisons: dict[str, Any]) -> Any:
    common = {"factor": "arm", "control": "vehicle", "treated": "temsirolimus", "design": "auto", "where": {}}
    return About({"comparisons": [common | one for one in comparisons]})


def test_the_only_comparison_is_meant_and_of_several_the_one_that_is_named() -> None:
    asked = {"control": "vehicle", "treated": "temsirolimus", "factor": "arm", "design": "auto"}
    assert asked_of(run({"name": "a"})) == asked
    several = run(
        {"name": "a"}, {"name": "b", "design": "paired", "blocks": [], "where": {"tissue": ["spleen"]}}
    )
    assert asked_of(several, "b") == asked | {
        "design": "paired",
        "blocks": [],
        "where": {"tissue": ["spleen"]},
    }
    with pytest.raises(CompareError, match="several comparisons; name one of 'a', 'b'"):
        asked_of(several)
    with pytest.raises(CompareError, match="no comparison 'c'"):
        asked_of(several, "c")
    with pytest.raises(CompareError, match="compares nothing"):
        asked_of(run())


def test_of_several_treated_levels_one_is_meant_and_a_trend_has_none() -> None:
    drugs = run({"name": "a", "treated": ["temsirolimus", "everolimus"]})
    assert asked_of(drugs, treated="everolimus")["treated"] == "everolimus"
    assert asked_of(run({"name": "a", "treated": ["everolimus"]}))["treated"] == "everolimus"
    with pytest.raises(
        CompareError, match="several treated levels; name one: treated='temsirolimus' or 'everolimus'"
    ):
        asked_of(drugs)
    with pytest.raises(CompareError, match="no treated level 'sunitinib'"):
        asked_of(drugs, treated="sunitinib")
    with pytest.raises(CompareError, match="is a trend"):
        asked_of(run({"name": "a", "design": "trend"}))
