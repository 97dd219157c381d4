"""A template is a table that a biologist can read: what it accepts, what it refuses, what a panel leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gating.errors import TemplateError
from gating.expression import parse_expression
from gating.gates import Operand
from gating.template import GatingTemplate, builtin_templates, builtin_text, read_template, template_problems

HEAD = '[template]\nname = "small"\n'
T_CELLS = """
[[population]]
name = "single"
if_present = true
region = { rule = "singlet band", x = "FSC-A", y = "FSC-H" }

[[population]]
name = "T"
parent = "single"
cuts = [{ marker = "CD3", rule = "valley" }, { marker = "CD19", keep = "below", rule = "valley", if_present = true }]

[[population]]
name = "CD4 T"
parent = "T"
cuts = [{ marker = "CD4", rule = "valley" }, { marker = "CD8", keep = "below", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T"
cuts = [{ marker = "CD4", keep = "below", rule = "valley" }, { marker = "CD8", rule = "valley" }]

[[population]]
name = "PD-1+"
parent = ["CD4 T", "CD8 T"]
cuts = [
  { marker = "PD-1", rule = "quantile", source = "fmo", otherwise = { rule = "tail", reference = "CD8 T/naive" } },
]

[[population]]
name = "naive"
parent = ["CD4 T", "CD8 T"]
cuts = [{ marker = "CD45RA", rule = "valley" }]
"""
PANEL = ("FSC-A", "FSC-H", "CD3", "CD4", "CD8", "CD19", "PD-1", "CD45RA")


def template(rows: str = T_CELLS, head: str = HEAD) -> GatingTemplate:
    return GatingTemplate.from_text(head + rows)


def problems(rows: str, head: str = HEAD) -> list[str]:
    found, wrong = read_template(head + rows)
    assert (found is None) == bool(wrong)
    return [str(problem) for problem in wrong]


def row(name: str, rest: str) -> str:
    return f'\n[[population]]\nname = "{name}"\n{rest}\n'


def cut(rest: str) -> str:
    return f"cuts = [{{ {rest} }}]"


CD3 = cut('marker = "CD3", rule = "valley"')


def test_a_row_for_several_parents_is_a_population_in_each() -> None:
    assert [path for path in template().paths if path.endswith("/naive")] == [
        "single/T/CD4 T/naive",
        "single/T/CD8 T/naive",
    ]


def test_a_population_comes_after_all_that_its_boundary_refers_to() -> None:
    paths = template().paths
    assert paths.index("single/T/CD8 T/naive") < paths.index("single/T/CD4 T/PD-1+")
    for path in paths:
        assert path.rpartition("/")[0] in ("", *paths[: paths.index(path)])


def test_a_name_means_the_nearest_population() -> None:
    rows = T_CELLS + row("young PD-1+", 'parent = ["CD4 T", "CD8 T"]\nboolean = "naive & PD-1+"')
    for parent in ("CD4 T", "CD8 T"):
        boolean = template(rows).population(f"{parent}/young PD-1+").boolean
        assert boolean is not None
        assert boolean.operands == (f"single/T/{parent}/naive", f"single/T/{parent}/PD-1+")


def test_the_same_boundary_for_two_rows_is_the_same_recipe() -> None:
    four, eight = template().population("CD4 T"), template().population("CD8 T")
    assert [c.recipe for c in four.cuts] == [c.recipe for c in eight.cuts]
    assert four.cuts[0].keep != eight.cuts[0].keep


def test_what_is_written_back_says_the_same() -> None:
    for text in (HEAD + T_CELLS, *(builtin_text(name) for name in builtin_templates())):
        once = GatingTemplate.from_text(text)
        twice = GatingTemplate.from_text(once.to_toml())
        assert twice == once
        assert twice.sha256 == once.sha256


def test_a_comment_does_not_change_the_hash_but_a_quantile_does() -> None:
    commented = HEAD + "# seen\n" + T_CELLS
    assert GatingTemplate.from_text(commented).sha256 == template().sha256
    changed = T_CELLS.replace('source = "fmo"', 'source = "fmo", quantile = 0.99')
    assert template(changed).sha256 != template().sha256


def test_the_tree_reads_as_a_biologist_would_say_it() -> None:
    assert str(template()).splitlines() == [
        "small",
        "all events",
        "  single  [singlet band on FSC-A x FSC-H]",
        "    T  [CD3 >= valley, CD19 < valley]",
        "      CD4 T  [CD4 >= valley, CD8 < valley]",
        "        naive  [CD45RA >= valley]",
        "        PD-1+  [PD-1 >= quantile in fmo]",
        "      CD8 T  [CD4 < valley, CD8 >= valley]",
        "        naive  [CD45RA >= valley]",
        "        PD-1+  [PD-1 >= quantile in fmo]",
    ]


def test_markers_are_what_an_antibody_binds_and_scatter_is_none() -> None:
    assert template().markers == ("CD3", "CD19", "CD4", "CD8", "CD45RA", "PD-1")
    assert set(template().dimensions) == {*template().markers, "FSC-A", "FSC-H"}


def test_everything_wrong_is_said_at_once_with_its_line() -> None:
    rows = (
        row("T", cut('marker = "CD3", rul = "valley"'))
        + row("CD4 T", 'parent = "t cells"\n' + cut('marker = "CD4", rule = "valey"'))
        + row("CD8 T", 'parent = "T"\n' + cut('marker = "CD8", rule = "valley", keep = "abve"'))
    )
    assert problems(rows) == [
        "line 4, 'T': a cut has no 'rul' (did you mean rule?)",
        "line 4, 'T': the cut on CD3 says neither rule nor same_as",
        "line 8, 'CD4 T': no rule is called 'valey' (did you mean valley?)",
        "line 8, 'CD4 T': its parent: no population is called 't cells' (there are CD4 T, CD8 T, T)",
        "line 13, 'CD8 T': no keep is called 'abve' (did you mean above?)",
    ]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("parnt = 'T'\n" + CD3, "a population has no 'parnt' (did you mean parent?)"),
        (
            CD3 + '\nboolean = "T"',
            "a population has exactly one of cuts, region and boolean, not cuts and boolean",
        ),
        ("", "a population has exactly one of cuts, region and boolean, and this one has none"),
        (
            cut('marker = "CD3", rule = "quantile", quantil = 0.99'),
            "has no 'quantil' (did you mean quantile?)",
        ),
        (
            cut('marker = "CD3", rule = "valley", source = "FMO"'),
            "no source is called 'FMO' (did you mean fmo?)",
        ),
        (cut('marker = "CD3", rule = "valley", learn_over = "arm"'), "learn_over is never 'arm'"),
        (cut('marker = "CD3", rule = "valley", otherwise = "guess"'), "no otherwise is called 'guess'"),
        (cut('marker = "CD3", rule = "fixed"'), "a fixed cut says linear = or value ="),
        (
            cut('marker = "CD3", rule = "fixed", linear = 1, value = 1'),
            "a fixed cut says linear = or value =",
        ),
        (
            cut('marker = "CD3", same_as = "T", rule = "valley"'),
            "a cut with same_as takes no rule of its own",
        ),
        (cut('marker = "CD9", same_as = "T"'), "same_as: 'T' has no cut on CD9"),
        (cut('marker = "CD9", same_as = "B"'), "same_as of CD9: no population is called 'B'"),
        (
            cut('marker = "CD9", rule = "tail", reference = "Q"'),
            "the reference of CD9: no population is called 'Q'",
        ),
        (
            cut('marker = "CD9", rule = "valley", if_present = "yes"'),
            "if_present is true or false, not 'yes'",
        ),
        (cut('marker = "CD9", rule = "quantile", quantile = 99.5'), "quantile lies between 0 and 1"),
        (
            cut('marker = "CD9", rule = "quantile", quantile = "high"'),
            "quantile of 'quantile' is a number, not 'high'",
        ),
        (cut('marker = "CD9", rule = "tail", side = "up"'), "side is one of 'upper', 'lower', not 'up'"),
        ('boolean = "T & Q"', "boolean: no population is called 'Q'"),
        ('boolean = "T &"', "a population is missing at its end"),
        ('boolean = "(T"', "a parenthesis is not closed"),
        ('region = { rule = "main clod", x = "FSC-A", y = "SSC-A" }', "did you mean main cloud?"),
        ('region = { rule = "main cloud", x = "FSC-A" }', "a region names its y dimension"),
        ('cuts = "CD3"', "cuts is a list of tables"),
        ("parent = 3\n" + CD3, "parent is a name, or a list of names, not 3"),
        ("parent = 'new'\n" + CD3, "is its own ancestor"),
    ],
)
def test_a_row_that_means_nothing_is_refused_in_words(rest: str, said: str) -> None:
    found = problems(row("T", CD3) + row("new", rest))
    assert len(found) == 1, found
    assert found[0].startswith("line 8, 'new': ")
    assert said in found[0]


def test_two_populations_with_one_path_are_refused() -> None:
    assert problems(row("T", CD3) + row("T", CD3)) == ["line 8, 'T': 'T' is already there in line 4"]


def test_populations_that_wait_for_each_other_are_refused() -> None:
    first = row("A", cut('marker = "CD3", rule = "tail", reference = "B"'))
    second = row("B", cut('marker = "CD4", rule = "tail", reference = "A"'))
    assert [line.split(": ")[1] for line in problems(first + second)] == [
        "waits for itself, by way of A, B"
    ] * 2


def test_an_ambiguous_parent_asks_for_more_of_the_path() -> None:
    rows = T_CELLS + row("young", 'parent = "naive"\n' + CD3)
    assert "means 2 populations" in problems(rows)[0]
    assert (
        template(rows.replace('parent = "naive"', 'parent = "CD8 T/naive"'))
        .find("young")
        .endswith("naive/young")
    )


def test_a_lineage_names_populations_that_are_there() -> None:
    head = HEAD + 'lineage = ["CD4 T", "CD5 T"]\n'
    assert problems(T_CELLS, head)[0].startswith(
        "'lineage': no population is called 'CD5 T' (did you mean CD"
    )
    good = template(head=HEAD + 'lineage = ["CD4 T", "CD8 T"]\n')
    assert good.lineage == ("single/T/CD4 T", "single/T/CD8 T")


def test_text_that_is_no_toml_says_the_line() -> None:
    assert problems('\n[[population]\nname = "T"').pop().startswith("line 4, this is not TOML")


def test_a_file_with_problems_raises_all_of_them_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + row("T", "") + row("U", 'parent = "V"\n' + CD3), encoding="utf-8")
    with pytest.raises(TemplateError, match=r"mine\.toml has 2 problems:\n  line 4, 'T'.*\n  line 8, 'U'"):
        GatingTemplate.from_toml(path)
    assert [problem.line for problem in template_problems(path)] == [4, 8]
    with pytest.raises(TemplateError, match="cannot be read"):
        GatingTemplate.from_toml(tmp_path / "absent.toml")


def test_a_panel_without_a_marker_loses_the_population_with_all_that_needs_it() -> None:
    kept, lost = template().prune(m for m in PANEL if m != "CD4")
    assert kept.paths == ("single", "single/T")
    assert lost["single/T/CD8 T"] == "the panel lacks CD4"
    assert lost["single/T/CD8 T/naive"] == "CD8 T is lost"


def test_a_condition_marked_if_present_goes_without_its_population() -> None:
    kept, lost = template().prune(m for m in PANEL if m != "CD19")
    assert [c.marker for c in kept.population("T").cuts] == ["CD3"]
    assert not lost


def test_a_row_marked_if_present_goes_without_its_children() -> None:
    kept, lost = template().prune([m for m in PANEL if m != "FSC-H"])
    assert lost == {"single": "the panel lacks FSC-H"}
    assert kept.paths[:2] == ("T", "T/CD4 T")
    pd1 = kept.population("CD4 T/PD-1+").cuts[0].otherwise
    assert not isinstance(pd1, str)
    assert pd1.reference == "T/CD8 T/naive"


def test_an_alternative_goes_when_its_reference_does_and_the_cut_stays() -> None:
    kept, lost = template().prune(m for m in PANEL if m != "CD45RA")
    assert kept.population("CD8 T/PD-1+").cuts[0].otherwise == "skip"
    assert set(lost) == {"single/T/CD4 T/naive", "single/T/CD8 T/naive"}


def test_an_alternative_takes_over_when_the_first_reference_is_lost() -> None:
    foxp3 = 'marker = "FoxP3", rule = "tail", reference = "naive", otherwise = { rule = "tail", reference = "CD8 T" }'
    rows = T_CELLS + row("FoxP3+", 'parent = "CD4 T"\n' + cut(foxp3))
    kept, _ = template(rows).prune([*(m for m in PANEL if m != "CD45RA"), "FoxP3"])
    assert kept.population("FoxP3+").cuts[0].reference == "single/T/CD8 T"


def test_a_panel_is_told_what_it_cannot_show_and_what_was_perhaps_meant() -> None:
    assert template().check(PANEL) == []
    assert template().check(m.replace("PD-1", "PD1") for m in PANEL) == [
        "'PD-1+' needs PD-1 (did you mean PD1?)",
        "'PD-1+' needs PD-1 (did you mean PD1?)",
    ]


def test_scatter_is_taken_as_there_where_only_markers_are_named() -> None:
    assert template().prune(template().markers)[0] == template()


def test_a_reference_that_moves_up_to_the_top_is_all_events() -> None:
    rows = T_CELLS + row(
        "CD45+", 'parent = "T"\n' + cut('marker = "CD45", rule = "valley", reference = "single"')
    )
    kept, _ = template(rows).prune([*(m for m in PANEL if m != "FSC-H"), "CD45"])
    assert kept.population("CD45+").cuts[0].reference == "all events"
    assert GatingTemplate.from_text(kept.to_toml()) == kept


def test_a_panel_that_shows_nothing_is_an_error() -> None:
    with pytest.raises(TemplateError, match="nothing of the template small is left"):
        template(row("T", CD3)).prune(["CD4"])


def test_a_mixed_combination_is_built_of_parts_that_a_gate_can_say() -> None:
    rows = row("A", CD3) + row("B", CD3) + row("C", CD3) + row("D", 'boolean = "A & !B | C"')
    found = template(rows)
    assert found.paths == ("A", "B", "C", "A and not B", "D")
    assert [str(r) for r in found.populations[-2:]] == ["A & !B", "A and not B | C"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A", "A"),
        ("A&!B", "A & !B"),
        ("A & B | C & D", "A & B | C & D"),
        ("A & (B | C)", "A & B | A & C"),
        ("!(A & B)", "!A | !B"),
        ("!(A | !B) & C", "!A & B & C"),
        ("CD4 T/PD-1+ & !TIM-3+", "CD4 T/PD-1+ & !TIM-3+"),
    ],
)
def test_an_expression_becomes_an_or_of_ands(text: str, read: str) -> None:
    assert str(parse_expression(text)) == read


@pytest.mark.parametrize("text", ["A & (B | !C) | !(A | B & C)", "!(A & !(B | C)) & (A | !C)"])
def test_an_expression_keeps_its_truth_table(text: str) -> None:
    python = text.replace("&", " and ").replace("|", " or ").replace("!", " not ")
    for bits in range(8):
        truth = {name: bool(bits >> place & 1) for place, name in enumerate("ABC")}
        mine = any(
            all(truth[o.population] != o.complement for o in term) for term in parse_expression(text).terms
        )
        assert mine == eval(python, {}, truth)


def test_an_expression_names_each_population_once() -> None:
    expression = parse_expression("A & B | A & !C")
    assert expression.operands == ("A", "B", "C")
    assert expression.terms[1] == (Operand("A"), Operand("C", complement=True))


def test_an_unknown_builtin_names_those_there_are() -> None:
    assert {"human_cytokine", "human_myeloid", "human_t"} < set(builtin_templates())
    with pytest.raises(TemplateError, match=r"did you mean human_t"):
        GatingTemplate.builtin("human-t")


def test_the_blank_template_is_a_template() -> None:
    assert GatingTemplate.from_text(builtin_text("blank")).paths == ("cells", "cells/singlets")


def test_a_combination_of_a_population_that_was_left_out_is_lost_with_it() -> None:
    whole = GatingTemplate.from_text(
        '[template]\nname = "small"\n'
        '[[population]]\nname = "PD-1+"\ncuts = [{ marker = "PD-1", rule = "tail" }]\n'
        '[[population]]\nname = "TIM-3+"\nif_present = true\ncuts = [{ marker = "TIM-3", rule = "tail" }]\n'
        '[[population]]\nname = "both"\nboolean = "PD-1+ & TIM-3+"\n'
    )
    pruned, lost = whole.prune(["PD-1"])
    assert pruned.paths == ("PD-1+",)
    assert lost["both"] == "TIM-3+ is lost"
