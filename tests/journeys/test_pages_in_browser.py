"""The report as a browser shows it: on a phone, a tablet and a desk; light, dark and printed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_trials.report import write_report
from tests.browser import CHROMIUM, Browser, browser
from tests.fake_trial import gates, report_inputs

WIDTHS = (360, 800, 1280)
LEAST_CONTRAST = 4.5  # WCAG 2.1, AA, of text
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

CONTRAST = """(selector => {
  const one = document.querySelector(selector), parts = text => text.match(/[\\d.]+/g).map(Number);
  let under = one;
  while (getComputedStyle(under).backgroundColor.endsWith(', 0)')) under = under.parentElement;
  const light = rgb => rgb.slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [.2126, .7152, .0722][i], 0);
  const both = [getComputedStyle(one).color, getComputedStyle(under).backgroundColor].map(x => light(parts(x)) + .05);
  return Math.max(...both) / Math.min(...both);
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one whose gates failed, with a name that no line can hold."""
    made = report_inputs(
        avatars=3, arms=["untreated", "N" * 300], trials=4, n_visits=8, draws=4, gates=gates(passed=False)
    )
    return write_report(tmp_path_factory.mktemp("pages") / "report.html", made)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_over_the_edge_and_every_figure_is_there(
    page: Browser, report: Path, width: int
) -> None:
    page.open(report, width)
    assert page.ask("innerWidth") == width
    assert page.ask("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(x => !x.naturalWidth || !x.alt).length"
    assert page.ask(broken) == 0
    assert page.ask("document.images.length") > 10
    abreast = "getComputedStyle(x).gridTemplateColumns.split(' ').length"
    panels = page.ask(f"[...document.querySelectorAll('.panels')].map(x => {abreast})")
    assert set(panels) == {2 if width > 1000 else 1}
    answer, section = (
        page.ask(f"document.querySelector('{selector}').getBoundingClientRect().top")
        for selector in (".answer", "h2")
    )
    assert answer < section


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_told_from_its_ground_in_light_and_dark(page: Browser, report: Path, dark: bool) -> None:
    page.open(report, 800, dark=dark)
    (ground,) = {page.ask("getComputedStyle(document.body).backgroundColor")}
    assert (ground == "rgb(255, 255, 255)") != dark
    for selector in ("body", ".banner.failed", ".side", "a", ".caption", "figcaption", ".no"):
        assert page.ask(f"{CONTRAST}('{selector}')") >= LEAST_CONTRAST, selector
    turned = page.ask("getComputedStyle(document.querySelector('figure img')).filter")
    assert (turned == "none") != dark


def test_it_prints_in_light_on_a_few_sheets(page: Browser, report: Path) -> None:
    page.open(report, 800, dark=True)
    printed = base64.b64decode(page.send("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")
    assert 4 <= printed.count(b"/Type /Page\n") <= 16
