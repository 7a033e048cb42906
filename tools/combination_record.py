"""The dated record of combinations foreseen from single agents: the whole run, and its page.

`uv run python -m tools.combination_record pdxe_singles --volumes FILE.csv --covariates FILE.csv --out FOLDER --page
PAGE`: calibrates the single agents (or takes `--posterior FILE`), foresees every
combination by the combinations of other drugs, scores it, and writes the page from the tables. Killed, it goes on from
what is there.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.card_files import load_design
from avatar_trials.cli.combination_predictions import (
    DIFFERENCES,
    SCORES,
    SINGLES,
    STRATA,
    SUMMARY,
    VERDICTS,
)
from avatar_trials.cli.commands_of_combinations import predict_combination
from avatar_trials.stamp import read_netcdf, read_stamp, write_atomic

SHOWN = {
    "ORR_pct": ("ORR, %", 0),
    "DCR_pct": ("DCR, %", 0),
    "log_doubling": ("median doubling, days", 0),
    "depth_of_response_pct": ("depth of response, %", 0),
}
AIMS = {"ORR_pct": 10.0, "DCR_pct": 10.0, "log_doubling": 0.28}
COVERED = (0.80, 0.97)


def page(folder: Path, tree: xr.DataTree, *, command: str, date: str) -> str:
    """The record in Markdown, of the tables in `folder` and the posterior they were foreseen from."""
    scores, summary = pd.read_csv(folder / SCORES), pd.read_csv(folder / SUMMARY)
    differences, verdicts = pd.read_csv(folder / DIFFERENCES), pd.read_csv(folder / VERDICTS)
    main = str(differences["predictor"].iloc[0])
    of_main = summary[summary["predictor"] == main].set_index("quantity")
    parts = [
        f"# Combinations foreseen from single agents: record of {date}",
        f"Made by `{command}`; not edited. {_provenance(tree)}",
        *_warnings(scores, tree),
        "## Convergence of the posterior",
        _table(pd.DataFrame(json.loads(tree.attrs["gates"]))[["check", "value", "limit", "passed"]]),
        f"## Every combination by {main}",
        "Observed; predicted [90 % interval], of new mice, one an avatar. In bold: outside. A median that is not "
        "reached by the last observed day counts as that day (>), observed and predicted alike.",
        _table(_combinations(scores[scores["predictor"] == main])),
        "## Aims",
        _table(_aims(of_main)),
        "Expected of luck: the mean absolute miss of the predictor's own draws, were it the truth.",
        "## Scores of every predictor",
        "Means over combinations: fair CRPS ± its standard error, lower is better; mean absolute miss; share of "
        "observed values inside 90 % intervals (of depth, of mice).",
        *(f"**{_scored_as(name)}**\n\n{_table(_predictors(part))}" for name, part in _by_quantity(summary)),
        f"## {main.capitalize()} less every other predictor, paired",
        "CRPS difference ± standard error over combinations, which share avatars; below 0 it did better.",
        _table(_paired(differences)),
        _loss(differences, main),
        "## Against independent action",
        _table(_verdicts(verdicts)),
        f"What cannot be told: {verdicts['cannot_tell'].iloc[0]}.",
    ]
    if (folder / STRATA).exists():
        strata = pd.read_csv(folder / STRATA)
        parts += ["## By biomarker", _table(_strata(strata[strata["predictor"] == main]))]
        parts.append(f"{strata['method'].iloc[0].capitalize()}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _provenance(tree: xr.DataTree) -> str:
    stamp = read_stamp(tree)
    libraries = ", ".join(f"{name} {version}" for name, version in stamp["libraries"].items())
    mice = tree["posterior"].sizes["avatar"]
    return (
        f"Model card {stamp['model_card']} ({stamp['card_sha256'][:12]}), design {stamp['design']} "
        f"({stamp['design_sha256'][:12]}), volumes {stamp['data_sha256'][:12]}, seed {stamp['seed']}, {mice} avatars; "
        f"avatar_trials {stamp['avatar_trials']}, {libraries}."
    )


def _warnings(scores: pd.DataFrame, tree: xr.DataTree) -> list[str]:
    told = []
    if not read_stamp(tree).get("gates_passed", False):
        told.append("**THE POSTERIOR DID NOT PASS ITS GATES: no figure here is evidence.**")
    seen = sorted(set(scores["arm"][scores["calibrated_on_arm"]]))
    if seen:
        told.append(f"**NO EVIDENCE: the posterior was calibrated on mice of {', '.join(seen)}.**")
    return told


def _by_quantity(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, summary[summary["quantity"] == name]) for name in SHOWN]


def _scored_as(quantity: str) -> str:
    """What a score is of: medians are scored by their logarithm."""
    title = SHOWN[quantity][0]
    return "log " + title.removesuffix(", days") if quantity == "log_doubling" else title


def _combinations(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (tumor_type, arm), part in scores.groupby(["tumor_type", "arm"], sort=False):
        of = part.set_index("quantity")
        row = {"tumour": tumor_type, "combination": arm, "avatars": str(of["n_avatars"].iloc[0])}
        for name, (title, digits) in SHOWN.items():
            one = of.loc[name]
            values = one[["observed", "predicted", "lower_90", "upper_90"]].to_numpy(dtype=float)
            if name == "log_doubling":
                values = np.exp(values)
            seen, middle, lower, upper = (f"{value:.{digits}f}" for value in values)
            seen = seen if bool(one["reached"]) else f"> {seen}"
            cell = f"{seen}; {middle} [{lower}, {upper}]"
            inside = name == "depth_of_response_pct" or bool(one["inside_90"])
            row[title] = cell if inside else f"**{cell}**"
        rows.append(row)
    return pd.DataFrame(rows)


def _aims(of_main: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in SHOWN:
        one: dict[Any, Any] = of_main.loc[name].to_dict()
        covered, aim, missed = one["coverage_90"], AIMS.get(name), one["absolute_miss"]
        held = COVERED[0] <= covered <= COVERED[1]
        reached = aim is None or missed <= aim
        rows.append(
            {
                "of": _scored_as(name),
                "combinations": str(one["n"]),
                "mean absolute miss": _number(missed),
                "aim": "" if aim is None else f"≤ {aim:g}: {'reached' if reached else 'MISSED'}",
                "expected of luck": _number(one["expected_miss"]),
                "bias": _number(one["bias"]),
                "inside 90 %": f"{100 * covered:.0f} % ({'as' if held else 'NOT as'} aimed: 80 to 97)",
            }
        )
    return pd.DataFrame(rows)


def _predictors(part: pd.DataFrame) -> pd.DataFrame:
    ordered = part.sort_values("crps")
    return pd.DataFrame(
        {
            "predictor": ordered["predictor"],
            "CRPS": [f"{_number(a)} ± {_number(b)}" for a, b in ordered[["crps", "crps_se"]].to_numpy()],
            "mean absolute miss": [_number(value) for value in ordered["absolute_miss"]],
            "inside 90 %": [f"{100 * value:.0f} %" for value in ordered["coverage_90"]],
        }
    )


def _paired(differences: pd.DataFrame) -> pd.DataFrame:
    cells = differences.assign(
        told=[
            f"{_number(a)} ± {_number(b)}"
            for a, b in differences[["crps_difference", "crps_difference_se"]].to_numpy()
        ]
    )
    wide = cells.pivot_table(
        index="reference", columns="quantity", values="told", aggfunc="first", sort=False
    )
    titles = {name: _scored_as(name).split(",")[0] for name in SHOWN}
    return wide[list(SHOWN)].rename(columns=titles).rename_axis("less", axis=0).reset_index()


def _loss(differences: pd.DataFrame, main: str) -> str:
    """In words: which references are better, or not told apart by two standard errors."""
    better, alike = [], []
    for row in differences.itertuples(index=False):
        name = f"{row.reference} ({_scored_as(str(row.quantity)).split(',')[0]})"
        difference, error = float(str(row.crps_difference)), float(str(row.crps_difference_se))
        if difference >= 0:
            better.append(name)
        elif difference > -2 * error:
            alike.append(name)
    lost = f"No better than: {'; '.join(better)}." if better else f"{main.capitalize()} has the lowest CRPS."
    return lost + (f" Lower by less than two standard errors: {'; '.join(alike)}." if alike else "")


def _verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tumour": verdicts["tumor_type"],
            "combination": verdicts["arm"],
            "pathways": verdicts["relation"],
            "P(beats it)": [f"{value:.2f}" for value in verdicts["p_beats_independent_action"]],
            "verdict": verdicts["verdict"],
        }
    )


def _strata(strata: pd.DataFrame) -> pd.DataFrame:
    shown = strata.assign(
        told=[
            f"{_days(row.observed)}; {_days(row.predicted)} [{_days(row.lower_90)}, {_days(row.upper_90)}]"
            + ("" if row.inside_90 else " OUTSIDE")
            for row in strata.itertuples(index=False)
        ]
    )
    place = ["arm", "biomarker", "carrier", "n_avatars"]
    wide = shown.pivot_table(index=place, columns="quantity", values="told", aggfunc="first", sort=False)
    return wide.rename_axis(columns=None).reset_index()


def _days(value: Any) -> str:
    return "not reached" if math.isinf(value) else f"{value:.0f}"


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.1f}"


def _table(frame: pd.DataFrame) -> str:
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    rows += [
        [f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row] for row in frame.to_numpy()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: list[str] | None = None) -> None:
    """Foresee, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("design")
    for name in ("volumes", "covariates", "posterior"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("combinations"))
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    parser.add_argument("--allow-unconverged", action="store_true")
    given = parser.parse_args(arguments)
    load_design(given.design)
    predict_combination(
        given.design,
        posterior=given.posterior,
        volumes=given.volumes,
        covariates=given.covariates,
        draws=given.draws,
        out=given.out,
        allow_unconverged=given.allow_unconverged,
    )
    tree = read_netcdf(given.posterior or given.out / SINGLES, kind="posterior")
    words = [f"python -m tools.combination_record {Path(given.design).stem}", f"--draws {given.draws}"]
    files = (("posterior", given.posterior), ("volumes", given.volumes), ("covariates", given.covariates))
    words += [f"--{name} {path.name}" for name, path in files if path]
    text = page(given.out, tree, command=" ".join(words), date=given.date)
    write_atomic(given.page, lambda path: path.write_text(text, "utf-8"))
    print(f"Written: {given.page}")


if __name__ == "__main__":
    main()
