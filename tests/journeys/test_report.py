"""The report as a reader meets it: what it shows, in which order, and that its figures show the data."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from avatar_trials.endpoints import (
    best_average_response,
    best_response,
    mrecist,
    readout_observed,
    readout_trial,
)
from avatar_trials.report import (
    ReportInputs,
    format_readout,
    write_report,
)
from avatar_trials.report.agreement import INDIVIDUAL, POPULATION
from avatar_trials.report.readings import MAIN, read
from tests.fake_trial import ARMS, DOUBLING, LEVEL, RULE, gates, report_inputs

Floats = NDArray[np.float64]
SECTIONS = [
    *("design", "readout", "waterfall", "spider", "swimmer", "doubling", "predictive"),
    *("agreement", "individuals", "checks", "limits", "record"),
]

# Place of the readout's table among those of the page.
READOUT = 1


class Page(HTMLParser):
    """Text, tables (rows of cell texts), banners, section ids and image addresses of a report."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.banners: list[str] = []
        self.sections: list[str] = []
        self.images: list[str] = []
        self.alts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "section":
            self.sections.append(named["id"])
        elif tag == "img":
            self.images.append(named["src"])
            self.alts.append(named["alt"])
        elif tag == "p" and named.get("class", "").startswith("banner"):
            self.banners.append(named["class"].split()[-1])
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self._open or "sup" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data


def written(inputs: ReportInputs, tmp_path: Path) -> tuple[str, Page]:
    html = write_report(tmp_path / "report.html", inputs).read_text("utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return report_inputs()


@pytest.fixture(scope="module")
def html(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", inputs).read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def moved(frame: pd.DataFrame, arm: str, endpoint: str, **values: float | str) -> pd.DataFrame:
    """The readout with some values of one row replaced."""
    changed = frame.copy()
    for name, value in values.items():
        changed.loc[(changed["arm"] == arm) & (changed["endpoint"] == endpoint), name] = value
    return changed


def test_sections_stand_in_reading_order(page: Page) -> None:
    assert page.sections == SECTIONS
    for fact in ("8 avatars", "4 arms", "25 replicate trials", "visits to day 66", "32 observed mice"):
        assert fact in page.text


def test_the_answer_comes_first_and_is_that_of_the_trials(inputs: ReportInputs, page: Page) -> None:
    rates = {}
    for place, arm in enumerate(ARMS):
        volume = inputs.trial["volume_mm3"].values[:, :, place]
        days = np.broadcast_to(inputs.trial["day"].values, volume.shape)
        called = mrecist(best_response(days, volume, RULE)[0], best_average_response(days, volume, RULE)[0])
        rates[arm] = np.isin(called, ("CR", "PR")).mean(axis=1)
    best, second = sorted(ARMS, key=lambda arm: -float(np.median(rates[arm])))[:2]
    share = float(np.mean(rates[best] > rates[second]))
    assert f"Emulated, {best} has an ORR of {100 * np.median(rates[best]):.0f} %" in page.text
    assert f"of {second}, the next best arm: its ORR is higher in {100 * share:.0f} % of" in page.text
    assert page.text.index("Emulated, ") < page.text.index("Design and cohort", page.text.index("provenance"))
    assert "in sample, which shows that the model describes these mice" in page.text


def test_there_is_no_answer_where_the_gates_failed(inputs: ReportInputs, tmp_path: Path) -> None:
    _, failed = written(replace(inputs, gates=gates(passed=False)), tmp_path)
    assert "There is no answer: the convergence gates failed." in failed.text
    assert "the next best arm" not in failed.text


def test_readout_table_holds_every_number_of_the_readouts(inputs: ReportInputs, page: Page) -> None:
    rows = [row[-7:] for row in page.tables[READOUT][1:]]
    assert [row[0] for row in page.tables[READOUT][1:] if len(row) == 9] == ARMS
    frames = {"emulated": inputs.readout_emulated, "observed": inputs.readout_observed}
    shown = iter(rows)
    for arm in ARMS:
        for frame in frames.values():
            cells = next(shown)
            for endpoint, cell in zip(MAIN, cells[2:], strict=True):
                assert frame is not None
                row = frame[(frame["arm"] == arm) & (frame["endpoint"] == endpoint)].iloc[0]
                scale = 100 if endpoint in ("ORR", "DCR") else 1
                digits = 1 if endpoint == "time_to_doubling_days" else 0
                unit = "d" if digits else "%"
                numbers = [
                    float(n.replace("−", "-")) for n in re.findall(r"[−+]?\d+(?:\.\d+)?(?=[ ,\]])", cell)
                ]
                expected = [row[name] for name in ("estimate", "lower", "upper")]
                finite = [float(x) for x in expected if pd.notna(x)]
                assert numbers == pytest.approx([scale * x for x in finite], abs=0.5 * 10**-digits + 1e-9)
                assert cell.count("not reached") == 3 - len(finite)
                assert pd.isna(expected[0]) or f" {unit} [" in cell


def test_agreement_tables_hold_the_numbers_of_the_frames(inputs: ReportInputs, page: Page) -> None:
    assert inputs.population is not None
    assert inputs.individual is not None
    population, individual = page.tables[READOUT + 2 : READOUT + 4]
    assert [len(population) - 1, len(individual) - 1] == [len(inputs.population), len(inputs.individual)]
    for cells, (_, row) in zip(population[1:], inputs.population.iterrows(), strict=True):
        expected = [row[name] for name in ("emulated", "lower", "upper")]
        unscaled = ("Spearman", "Kendall", "Lin", "calibration", "PIT", "hazard")
        plain = row["measure"].startswith(unscaled) or row["measure"].endswith(("_days", "_pct"))
        scale = 1 if plain else 100
        assert shown_numbers(cells[-7]) == pytest.approx(
            [x * scale for x in expected if pd.notna(x)], abs=0.51
        )
        assert (cells[-4] == "no") == (row["covered"] is not pd.NA and not row["covered"])
        assert cells[-1] == str(row["n"])
    for cells, (_, row) in zip(individual[1:], inputs.individual.iterrows(), strict=True):
        names = (("value", "lower", "upper"), ("null_reference",), ("ceiling",), ("n",))
        for cell, wanted in zip(cells[-4:], names, strict=True):
            expected = [float(row[name]) for name in wanted if pd.notna(row[name])]
            assert shown_numbers(cell) == pytest.approx(expected, abs=0.0051)


def test_no_figure_of_a_population_stands_under_an_individual_heading(
    inputs: ReportInputs, tmp_path: Path
) -> None:
    """Every table is asked which section it stands in and what its rows are called; every one has its null."""
    assert inputs.individual is not None
    pooled = inputs.individual[inputs.individual["arm"] == "all"].assign(arm="all, not stratified")
    both = replace(
        inputs,
        patients_population=inputs.population,
        patients_individual=pd.concat([inputs.individual, pooled]),
        patients_scenario="made up",
    )
    html, _ = written(both, tmp_path)
    sections = dict(re.findall(r'<section id="([^"]+)">(.*?)</section>', html, re.DOTALL))
    of_populations = {quantity.label for quantity in POPULATION.values()}
    of_individuals = {quantity.label for quantity in INDIVIDUAL.values()}
    assert not of_populations & of_individuals
    expected = {
        "agreement": of_populations,
        "individuals": of_individuals,
        "patients": of_populations,
        "patients-individuals": of_individuals,
    }
    for name, section in sections.items():
        labels = {unescape(label) for label in re.findall(r'<td class="measure">(.*?)</td>', section)}
        if name not in expected:
            assert not labels, name
            continue
        assert labels, name
        assert labels <= expected[name], name
        (heading,) = re.findall(r"<h2>(.*?)</h2>", section)
        assert ("ndividual" in heading) == (expected[name] is of_individuals)
        heads = re.findall(r'<th scope="col">(.*?)</th>', section)
        assert "null reference" in heads
        assert "ceiling" in heads
    last = sections["patients-individuals"]
    assert last.index("all arms</th>") < last.index("all arms pooled, not stratified")


def shown_numbers(cell: str) -> list[float]:
    return [float(n.replace("−", "-")) for n in re.findall(r"[−+]?\d+(?:\.\d+)?", cell)]


def test_page_needs_nothing_else(html: str, page: Page) -> None:
    assert "http:" not in html
    assert "https:" not in html
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert len(page.images) > 5 * (len(ARMS) + 1)  # panels and a legend each
    assert all(page.alts)
    for image in page.images:
        kind, data = re.fullmatch(r"data:image/(svg\+xml|png);base64,(.+)", image).groups()  # type: ignore[union-attr]
        content = base64.b64decode(data, validate=True)
        if kind == "png":
            assert content.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_same_inputs_give_the_same_bytes_whatever_matplotlib_is_set_to(
    inputs: ReportInputs, html: str, tmp_path: Path
) -> None:
    with matplotlib.rc_context({"font.size": 31, "text.parse_math": True, "svg.hashsalt": "other"}):
        again = write_report(tmp_path / "again.html", inputs).read_text("utf-8")
        assert matplotlib.rcParams["font.size"] == 31
    assert again == html


def test_another_process_writes_the_same_bytes(html: str, tmp_path: Path) -> None:
    program = (
        "import sys; from tests.fake_trial import report_inputs; from avatar_trials.report import write_report; "
        "write_report(sys.argv[1], report_inputs())"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "12", "PYTHONPATH": str(root)}
    target = tmp_path / "report.html"
    subprocess.run([sys.executable, "-c", program, target], check=True, env=environment, timeout=120)
    assert target.read_text("utf-8") == html


def test_a_miss_is_marked_and_told(inputs: ReportInputs, tmp_path: Path) -> None:
    assert inputs.readout_observed is not None
    same = inputs.readout_emulated
    far = moved(same, "binimetinib", "ORR", estimate=0.99)
    unreached: dict[str, float | str] = {
        "estimate": np.nan,
        "method": "Kaplan-Meier median; not reached: estimate",
    }
    far = moved(far, "untreated", "time_to_doubling_days", **unreached)
    _, hit = written(replace(inputs, readout_observed=same), tmp_path)
    assert "All 16 observed values compared" in hit.text
    assert "outside" not in [cell.split()[-1] for row in hit.tables[READOUT] for cell in row if cell]
    _, missed = written(replace(inputs, readout_observed=far), tmp_path)
    assert "Of 16 observed values compared" in missed.text
    assert "2 lie outside the emulated interval:" in missed.text
    assert "ORR of binimetinib (observed 99 %, emulated" in missed.text
    assert "time to doubling of untreated (observed not reached, emulated" in missed.text
    flagged = [cell for row in missed.tables[READOUT] for cell in row if cell.endswith("outside")]
    assert [cell.split()[0] for cell in flagged] == ["not", "99"]


def test_a_value_on_the_limit_is_inside(inputs: ReportInputs) -> None:
    upper = read(inputs.readout_emulated, "binimetinib", "ORR")
    assert upper is not None
    on_it = moved(inputs.readout_emulated, "binimetinib", "ORR", estimate=upper.upper + 1e-12)
    beyond = moved(inputs.readout_emulated, "binimetinib", "ORR", estimate=upper.upper + 1e-6)
    assert "All 16 observed values" in format_readout(inputs.readout_emulated, on_it)
    assert "1 lies outside the emulated interval: ORR of binimetinib" in " ".join(
        format_readout(inputs.readout_emulated, beyond).split()
    )


def test_restricted_means_to_other_days_are_not_compared(inputs: ReportInputs, tmp_path: Path) -> None:
    far = moved(inputs.readout_emulated, "untreated", "RMST_days", estimate=9000.0)
    _, page = written(replace(inputs, readout_observed=far), tmp_path)
    assert "mean time to doubling of untreated (observed 9,000.0 d" in page.text
    method = "restricted mean to tau = 7 d (as asked for)"
    _, page = written(
        replace(inputs, readout_observed=moved(far, "untreated", "RMST_days", method=method)), tmp_path
    )
    assert "Outside their emulated intervals" not in page.text
    assert "9,000.0 d" in page.text


def test_banners_say_what_is_wrong(inputs: ReportInputs, page: Page, tmp_path: Path) -> None:
    assert page.banners == []
    _, failed = written(replace(inputs, gates=gates(passed=False), synthetic=True), tmp_path)
    assert failed.banners == ["failed", "synthetic"]
    assert "R-hat, largest 1.31, limit < 1.01 (worst: omega_k 1.310)" in failed.text
    assert "bulk ESS" not in failed.text.split("The sampler")[0]
    assert "SYNTHETIC DATA." in failed.text
    _, ungated = written(replace(inputs, gates=None), tmp_path)
    assert ungated.banners == ["caution"]


def test_in_sample_is_said_wherever_agreement_is_shown(
    inputs: ReportInputs, page: Page, tmp_path: Path
) -> None:
    assert "In sample: the emulated arms were calibrated on the very mice" in page.text
    assert "these values are no measure of prediction" in page.text
    _, held_out = written(replace(inputs, calibrated_on_observed=False), tmp_path)
    assert "Out of sample" in held_out.text
    assert "no measure of prediction" not in held_out.text


def test_what_the_data_do_not_identify_has_no_estimate(page: Page) -> None:
    parameters = next(table for table in page.tables if table[0][0] == "parameter")
    shown = {row[0]: row[4] for row in parameters[1:]}
    assert shown["mu_r"] == "−2.61 [−2.74, −2.48]"
    assert shown["eta"].strip() == "not identified: prior shown"
    assert "0.432" not in page.text


def test_a_trial_without_observed_mice(inputs: ReportInputs, tmp_path: Path) -> None:
    alone = replace(
        inputs, observed=None, readout_observed=None, population=None, individual=None, posterior=None,
        parameters=None, notices=[], calibrated_on_observed=False,
    )  # fmt: skip
    _, page = written(alone, tmp_path)
    assert page.sections == SECTIONS
    assert [row[1] for row in page.tables[READOUT][1:]] == ["emulated"] * len(ARMS)
    assert "There were no observed mice" in page.text
    assert "ut of sample" not in page.text
    assert "observed mice" not in page.text.replace("There were no observed mice", "")


def test_arms_that_end_nowhere(inputs: ReportInputs, tmp_path: Path) -> None:
    """An arm where nothing doubles, one without an observed mouse, one without an emulated one."""
    still = inputs.trial.copy(deep=True)
    still["volume_mm3"].loc[{"arm": "binimetinib"}] = 200.0
    still["volume_mm3"].loc[{"arm": "encorafenib"}] = np.nan
    assert inputs.observed is not None
    rows = inputs.observed.rows
    table = replace(inputs.observed, rows=rows[rows["arm"] != "untreated"].reset_index(drop=True))
    odd = replace(
        inputs,
        arms=[*ARMS, "placebo"],
        trial=still,
        observed=table,
        readout_emulated=readout_trial(still, rule=RULE, doubling=DOUBLING, level=LEVEL),
        readout_observed=readout_observed(table, rule=RULE, doubling=DOUBLING, level=LEVEL),
        population=None,
        individual=None,
    )
    _, page = written(odd, tmp_path)
    cells = {" ".join(row[0].split()): row[-1] for row in page.tables[READOUT] if len(row) == 9}
    assert cells["binimetinib"].startswith("not reached [not reached, not reached]")
    assert cells["encorafenib"].startswith("–")
    assert cells["placebo predicted"] == "–"  # the flag of an arm of which no mouse was learnt from


def test_inputs_that_do_not_fit_are_refused_together_and_nothing_is_written(
    inputs: ReportInputs, tmp_path: Path
) -> None:
    wrong = replace(inputs, arms=["a", "a"], level=0.8, gates=gates().drop(columns="limit"))
    with pytest.raises(ValueError, match="each once") as error:
        write_report(tmp_path / "report.html", wrong)
    for part in ("another level than 0.8", "gates has no column limit"):
        assert part in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_readout_as_text_is_aligned_and_fits_a_terminal(inputs: ReportInputs) -> None:
    text = format_readout(inputs.readout_emulated, inputs.readout_observed, arms=ARMS[::-1])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[2:10:2]] == [arm.split()[0] for arm in ARMS[::-1]]
    starts = {line.index("emulated") for line in lines if " emulated  " in line}
    assert starts == {lines[0].index("ORR") - len("emulated  ")}
    assert "90 % interval" in text
    orr = read(inputs.readout_emulated, "binimetinib", "ORR")
    assert orr is not None
    assert orr.show(MAIN["ORR"]) in text
    assert inputs.readout_observed is not None
    seen = read(inputs.readout_observed, "binimetinib", "DCR")
    assert seen is not None
    (line,) = [lines[i + 1] for i, line in enumerate(lines) if line.startswith("binimetinib  ")]
    assert line.split()[0] == "observed"
    assert seen.show(MAIN["DCR"]) in line
    alone = format_readout(inputs.readout_emulated)
    assert "observed" not in alone


@pytest.mark.slow
def test_a_trial_of_full_size_is_quick_and_small(tmp_path: Path) -> None:
    inputs = report_inputs(avatars=33, trials=300, n_visits=60, draws=300)
    start = time.perf_counter()
    path = write_report(tmp_path / "report.html", inputs)
    taken = time.perf_counter() - start
    print(f"report of 4 arms x 33 avatars x 300 trials: {taken:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
    assert taken < 30
    assert path.stat().st_size < 8e6
