"""What rules answered outlives the run that asked them, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytometry.memory import Answers
from gating.answers import Abstention, Cut, RegionFound

CUT = Cut(0.1 + 0.2, 0.7, 900, {"depth": 1 / 3, "nonfinite": 0})
REGION = RegionFound(np.array([[0, 0], [1, 1 / 3], [0.1, 2]]), 0.9, 40, {})
NOTHING = Abstention("no valley: one peak", 12, {"peaks": 1})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a file of three answers."""
    path = tmp_path / "cache" / "answers.jsonl"
    with Answers(path, code="1") as answers:
        answers["cut"], answers["region"], answers["nothing"] = CUT, REGION, NOTHING
    return path


def test_answers_are_read_back_to_the_last_bit(kept: Path) -> None:
    with Answers(kept, code="1") as answers:
        assert answers["cut"] == CUT
        assert list(answers["cut"].saw) == ["depth", "nonfinite"]
        assert answers["nothing"] == NOTHING
        np.testing.assert_array_equal(answers["region"].vertices, REGION.vertices)
        assert (len(answers), answers.recalled, answers.found) == (3, 4, 0)


def test_an_answer_is_on_disk_as_soon_as_it_is_found(tmp_path: Path) -> None:
    with Answers(tmp_path / "answers.jsonl", code="1") as answers:
        answers["cut"] = CUT
        with Answers(tmp_path / "answers.jsonl", code="1") as other:
            assert other["cut"] == CUT


def test_answers_of_other_code_are_not_taken(kept: Path) -> None:
    with Answers(kept, code="2") as answers:
        assert len(answers) == 0
        answers["cut"] = CUT
        assert answers["cut"] == CUT
        assert (answers.recalled, answers.found) == (0, 1), "what this run found is not of an earlier one"
    with Answers(kept, code="2") as answers:
        assert set(answers) == {"cut"}
    kept_lines = [line for line in kept.read_text(encoding="utf-8").splitlines() if line]
    assert len(kept_lines) == 1, "answers that nobody can take do not pile up"


def test_a_torn_an_altered_and_a_foreign_line_are_no_answers(kept: Path) -> None:
    lines = kept.read_text(encoding="utf-8").splitlines()
    torn, altered = lines[1][: len(lines[1]) // 2], lines[2].replace("0.9", "0.8")
    kept.write_text("\n".join(["hello", lines[3], altered, "{}", torn]), encoding="utf-8")
    with Answers(kept, code="1") as answers:
        assert set(answers) == {"nothing"}
        answers["new"] = CUT
    with Answers(kept, code="1") as answers:
        assert set(answers) == {"nothing", "new"}, "a torn last line does not swallow the next"


def test_where_nothing_can_be_kept_answers_are_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with Answers(tmp_path / "file" / "answers.jsonl", code="1") as answers:
        answers["cut"] = CUT
        assert answers["cut"] == CUT
