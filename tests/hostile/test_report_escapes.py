"""Names that are markup, mathematics, spreadsheets' formulas or no text at all reach the report as harmless text."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avatar_trials.report import ReportInputs, canvas, format_readout, strategy_page, write_report
from avatar_trials.report.strategy_page import StrategyInputs
from avatar_trials.report.text import clean
from avatar_trials.strategies import compare_strategies, score_strategies
from tests.fake_trial import gates, parameters, report_inputs
from tests.strategy_panel import RULES, design

AVATARS = [
    "<script>alert(1)</script>",
    "X-1 $\\frac{$",
    "a\u202etxt.exe\u2066b",
    "-2+3\tcmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "鼠标 жук اسم 🐭",
    "../../etc/passwd\x00\x1b[31m\r\nnext",
    "N" * 300,
]
ARMS = [
    "untreated",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}{% raw %} $x^2$",
    "<b>&amp;</b>\u2028 + ]]>--><!--",
]
# A table cannot hold one (its text is UTF-8); a title, a notice or a stamp can.
SURROGATE = "lone \ud800 surrogate"
ELEMENTS = (
    "html head meta title style body header main section nav h1 h2 h3 p ul ol li dl dt dd a div strong span sup "
    "code table thead tbody tr th td figure img figcaption"
)
ATTRIBUTES = (
    "lang charset content http-equiv name class id href scope rowspan src alt role aria-label tabindex"
)


class Strict(HTMLParser):
    """Refuses every element and attribute that the template itself does not use."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.images: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS.split()
        for name, value in attrs:
            assert name in ATTRIBUTES.split(), (tag, name)
            if name == "href":
                assert str(value).startswith("#")
            if name == "src":
                self.images.append(str(value))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def hostile() -> ReportInputs:
    inputs = report_inputs(avatars=AVATARS, arms=ARMS, trials=12, n_visits=12, draws=8)
    bad = ARMS[1]
    return replace(
        inputs,
        title=f"title {bad} {SURROGATE}",
        question=f"question {AVATARS[0]}",
        design_facts={bad: AVATARS[0], "plain\ud801": ARMS[3]},
        notices=[*AVATARS, *ARMS, SURROGATE],
        stamp={bad: {AVATARS[0]: [ARMS[2], None, True]}, "lone \udc80": "\x07"},
        gates=gates(passed=False).assign(check=bad, worst=pd.Series([SURROGATE] * 4, dtype=object)),
        parameters=parameters().assign(name=bad, unit="$", meaning=AVATARS[0], prior=ARMS[2]),
        readout_emulated=inputs.readout_emulated.assign(method=f"by {bad}; {AVATARS[0]}"),
    )


@pytest.fixture(scope="module")
def html(hostile: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(tmp_path_factory.mktemp("hostile") / "report.html", hostile)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_bytes().decode("utf-8")


@pytest.mark.bad_input(46)
def test_nothing_from_outside_becomes_markup(html: str) -> None:
    page = Strict(html)
    for name in [*AVATARS, *ARMS]:
        assert clean(name) in page.text
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.bad_input(44, 48)
def test_no_direction_marks_controls_or_surrogates_are_left(html: str) -> None:
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", html
    )
    assert "lone \\ud800 surrogate" in html
    assert "atxt.exeb" in html


@pytest.mark.bad_input(47)
def test_figures_are_whole_and_hold_no_markup(html: str) -> None:
    kinds = []
    for image in Strict(html).images:
        kind, data = re.fullmatch(r"data:image/(svg\+xml|png);base64,([A-Za-z0-9+/=]+)", image).groups()  # type: ignore[union-attr]
        kinds.append(kind)
        if kind != "png":
            drawing = ElementTree.fromstring(base64.b64decode(data))
            tags = {element.tag.split("}")[-1] for element in drawing.iter()}
            assert not tags & {"script", "image", "foreignObject", "a", "b", "img", "text"}
    assert set(kinds) == {"svg+xml", "png"}


def test_figure_labels_are_short_and_tell_letters_apart_that_the_font_lacks() -> None:
    assert canvas.label("N" * 300, 16) == "NNNNNNN…NNNNNNNN"
    assert canvas.label("鼠") != canvas.label("标")
    assert canvas.label("鼠") == "[9F20]"
    assert canvas.label("$\\frac{$") == "$\\frac{$"


def test_the_readout_as_text_cannot_steer_a_terminal(hostile: ReportInputs) -> None:
    text = format_readout(hostile.readout_emulated, hostile.readout_observed)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    text.encode("utf-8")


def test_volumes_at_the_ends_of_the_numbers(hostile: ReportInputs, tmp_path: Path) -> None:
    trial = hostile.trial.copy(deep=True)
    volume = trial["volume_mm3"].values
    volume[0, 0, 1, 1:4] = [0.0, 1e300, np.nan]
    volume[1, :, 2] = np.nan
    volume[2, :, 3, 0] = 0.0
    write_report(tmp_path / "report.html", replace(hostile, trial=trial))


def test_a_page_of_strategies_is_as_strict() -> None:
    rules = [{"name": name, "rule": RULES[name]} for name in ("A", "upfront")]
    followed = compare_strategies(design(strategies=rules, n_avatars=6)).assign_coords(strategy=ARMS[1:3])
    scores, differences = score_strategies(followed, ARMS[1], resamples=5)
    inputs = StrategyInputs(
        title=AVATARS[0],
        question=SURROGATE,
        reference=ARMS[1],
        followed=followed,
        scores=scores,
        differences=differences,
        checks=pd.DataFrame(),
        scenario=ARMS[3],
        facts={"a": AVATARS[0]},
        stamp={"b": ARMS[2]},
    )
    page = Strict(strategy_page.render(inputs))
    assert ARMS[1] in page.text
    assert len(page.images) == (5 + 1) + 3 + (2 + 1) + (2 + 1)
