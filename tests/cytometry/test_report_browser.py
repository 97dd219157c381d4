"""In a real browser: the page fetches nothing and throws nothing, and says all it has to say without its script."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium, browser, chromium
from small_run import ics_rows, t_rows, write_run

from cytometry.report import write_report

pytestmark = pytest.mark.slow
WIDTHS = (1400, 390)
SHEETS = re.compile(rb"/Type */Page\b")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("run"), [*t_rows(), *ics_rows()]))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = browser()
    if program is None:
        pytest.skip("no Chromium here: install one to test the report in a browser")
    with chromium(program, tmp_path_factory.mktemp("profile")) as opened:
        opened.ask(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=0,
            uploadThroughput=0,
        )
        yield opened


@pytest.fixture(autouse=True)
def plain(page: Chromium) -> None:
    """Give every test a browser with scripts, in light, at a desk."""
    page.ask("Emulation.setScriptExecutionDisabled", value=False)
    page.ask(
        "Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "light"}]
    )
    page.ask("Emulation.setDeviceMetricsOverride", width=1400, height=900, deviceScaleFactor=1, mobile=False)


@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_is_fetched_and_nothing_throws(page: Chromium, report: Path, *, scripts: bool) -> None:
    page.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
    page.open(report)
    assert page.fetched() == []
    assert page.thrown() == []


def test_a_page_that_fetched_or_threw_would_be_found_out(page: Chromium, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="other.png"><script>missing()</script>', encoding="utf-8")
    page.open(bad)
    assert [Path(url).name for url in page.fetched()] == ["other.png"]
    assert page.thrown()


def words(page: Chromium) -> str:
    root = page.ask("DOM.getDocument")["root"]["nodeId"]
    html = page.ask("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    html = re.sub(r"<button[^>]*enlarge.*?</button>", " ", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def test_without_its_script_the_page_says_the_same(page: Chromium, report: Path) -> None:
    page.open(report)
    with_script = words(page)
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.open(report)
    assert words(page) == with_script
    assert "changed from" in with_script


def test_a_click_on_a_columns_head_sorts_by_numbers_and_another_turns_it_round(
    page: Chromium, report: Path
) -> None:
    page.open(report)
    table = "document.querySelector('#populations ~ div table')"
    column = (
        f"Array.from({table}.tBodies[0].rows, r => parseFloat(r.cells[r.cells.length - 1].dataset.value))"
    )
    before = page.value(column)
    click = f"Array.from({table}.tHead.rows[0].cells).at(-1).querySelector('button').click()"
    page.value(click)
    assert page.value(column) == sorted(before)
    page.value(click)
    assert page.value(column) == sorted(before, reverse=True)
    assert (
        page.value(f"Array.from({table}.tHead.rows[0].cells).at(-1).getAttribute('aria-sort')")
        == "descending"
    )


def test_a_figure_is_enlarged_and_put_back(page: Chromium, report: Path) -> None:
    page.open(report)
    page.value("document.querySelector('.enlarge').click()")
    assert page.value("document.querySelector('dialog').open")
    assert page.value("document.querySelector('dialog img').alt.length") > 40
    page.value("document.querySelector('dialog').click()")
    assert not page.value("document.querySelector('dialog').open")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(page: Chromium, report: Path, width: int) -> None:
    page.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.open(report)
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.value("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_its_ink_is_light(page: Chromium, report: Path) -> None:
    page.ask(
        "Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    page.open(report)
    style = "getComputedStyle(document.body)"
    assert page.value(f"{style}.backgroundColor") == "rgb(20, 23, 27)"
    assert page.value(f"{style}.color") == "rgb(231, 233, 236)"


def test_it_prints(page: Chromium, report: Path) -> None:
    page.open(report)
    pdf = base64.b64decode(page.ask("Page.printToPDF", printBackground=False)["data"])
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(SHEETS.findall(pdf)) <= 40
