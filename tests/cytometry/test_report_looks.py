"""The page can be read by everyone: enough contrast in light and dark, headings in order, a table for each figure."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from small_run import Page, ics_rows, t_rows, write_run

import cytometry.report
from cytometry.report import write_report

STYLE = (Path(cytometry.report.__file__).parent / "style.css").read_text(encoding="utf-8")
INKS = {
    "ink": ("page", "card", "stripe", "look-page", "good-page"),
    "soft": ("page", "card", "stripe"),
    "link": ("page", "card", "stripe"),
    "look": ("page", "stripe", "look-page"),
}  # fmt: skip
AA = 4.5  # WCAG 2.2, 1.4.3: text of ordinary size


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of a scheme, by name."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.S)
    parts = blocks[:2] if scheme == "dark" else [blocks[0], blocks[2]] if scheme == "print" else blocks[:1]
    return {
        name: value for part in parts for name, value in re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", part)
    }


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_the_formula_of_wcag() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_all_text_has_enough_contrast(scheme: str) -> None:
    known = colours(scheme)
    measured = {
        (ink, page): contrast(known[ink], known[page]) for ink, pages in INKS.items() for page in pages
    }
    assert {pair: round(ratio, 2) for pair, ratio in measured.items() if ratio < AA} == {}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_report(write_run(tmp_path_factory.mktemp("looks"), [*t_rows(), *ics_rows()])))


def test_headings_go_down_one_step_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_page_has_its_landmarks_and_its_language(page: Page) -> None:
    assert len(page.all("main")) == 1
    (nav,) = page.all("nav")
    assert nav["aria-label"]
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("a")[0]["class"] == "skip"


def test_the_order_is_that_of_a_readers_questions(page: Page) -> None:
    wanted = ["verdict", "eyes", "endpoints", "gating", "populations", "cytokines", "quality", "channels", "methods",
              "miflowcyt", "provenance"]  # fmt: skip
    found = [attributes["id"] for _, attributes in page.tags if attributes.get("id") in wanted]
    assert found == wanted


def test_every_table_names_its_columns_and_every_scrolling_part_its_purpose(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert all(head.get("scope") for head in page.all("th"))
    assert all(part.get("aria-label") for _, part in page.tags if part.get("role") == "region")


def test_every_figure_has_a_table_with_its_numbers(page: Page) -> None:
    titles = {
        "hierarchy": "All populations of the",
        "endpoint": "by subject",
        "forest": "All exploratory contrasts",
    }
    assert all(title in page.text for title in titles.values())


def test_colour_alone_says_nothing() -> None:
    assert re.search(r"td\.look::after \{ content: \"", STYLE)  # a mark beside the colour
