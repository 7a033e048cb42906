"""The same posterior by several engines: `python -m tools.cross_check --engines nutpie,pymc,stan`.

Of the committed synthetic panel of 8 avatars and 4 arms, or of any `--volumes`. Mean, SD and the 5, 50 and 95 %
quantiles of every parameter are compared with those of the first engine, in units of their combined Monte Carlo
standard error (z). Exit code 1 if a population parameter differs by more than 4, any of an avatar or mouse by more than
5 (there are well over a thousand numbers), or if the chains of one engine do not agree among themselves, which makes
the rest meaningless. Then effective draws per CPU second of the same runs, as ratios to PyMC's own NUTS: CPU seconds of
the engine's process and all its children, tuning included, compilation apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.calibrate import convergence
from avatar_trials.card_files import load_design, load_model
from avatar_trials.emulate.panel import synthetic_panel
from avatar_trials.intake import write_tidy
from tools.sampling_engines import ROOT, Sampled, options_of_engines, sampled_by_each

PANEL = ROOT / "tests" / "fixtures" / "bayes" / "graded_panel.csv"
PANEL_SEED, AVATARS, CARRIERS, ARMS = 4, 8, 3, ("untreated", "A", "B", "A + B")
QUANTILES = (0.05, 0.5, 0.95)
MEASURES = ("mean", "sd", *(f"q{100 * prob:g}" for prob in QUANTILES))
Z_POPULATION, Z_OTHER = 4.0, 5.0
R_HAT = 1.01


def summary(posterior: xr.Dataset) -> pd.DataFrame:
    """Rows parameter, place; columns of each measure and, with `_error`, of its Monte Carlo standard error."""
    draws = ("chain", "draw")
    found = {"mean": posterior.mean(draws), "sd": posterior.std(draws)}
    errors = {name: az.mcse(posterior, method=name) for name in ("mean", "sd")}
    for prob, name in zip(QUANTILES, MEASURES[2:], strict=True):
        found[name] = posterior.quantile(prob, draws).drop_vars("quantile")
        errors[name] = az.mcse(posterior, method="quantile", prob=prob)
    columns = found | {f"{name}_error": error for name, error in errors.items()}
    rows = []
    for name in map(str, posterior.data_vars):
        first = found["mean"][name]
        places = list(first.to_series().index) if first.ndim else [""]
        values = {column: table[name].values.ravel() for column, table in columns.items()}
        named = [", ".join(map(str, place)) if isinstance(place, tuple) else str(place) for place in places]
        rows.append(pd.DataFrame({"parameter": name, "place": named, **values}))
    return pd.concat(rows, ignore_index=True).set_index(["parameter", "place"])


def differences(one: xr.Dataset, other: xr.Dataset) -> pd.DataFrame:
    """z of each measure, other less one, for the parameters both have; and `in_sd`, means apart in SDs."""
    both = [name for name in one.data_vars if name in other.data_vars]
    a, b = summary(one[both]), summary(other[both]).reindex(summary(one[both]).index)
    z = pd.DataFrame(
        {name: (b[name] - a[name]) / np.hypot(a[f"{name}_error"], b[f"{name}_error"]) for name in MEASURES}
    )
    return z.assign(in_sd=(b["mean"] - a["mean"]) / a["sd"], first=a["mean"], other=b["mean"], width=a["sd"])


def beyond(z: pd.DataFrame, population: Sequence[str]) -> pd.DataFrame:
    """The rows of `differences` with a z beyond its limit, or none."""
    of_population = z.index.get_level_values("parameter").isin(population)
    limit = np.where(of_population, Z_POPULATION, Z_OTHER)
    return z[~(z[list(MEASURES)].abs().max(axis=1) < limit)]


def make_panel(target: Path) -> None:
    """Write the synthetic panel: drawn from the priors of the card graded_kill."""
    panel = synthetic_panel(
        load_model("graded_kill"),
        ARMS,
        n_avatars=AVATARS,
        n_biomarker=CARRIERS,
        tumor_type="CM",
        stopping=load_design("melanoma_braf_mek").stopping,
        seed=PANEL_SEED,
    )
    write_tidy(panel.table, target)


def main() -> int:
    """Sample with each engine, print the table, tell whether they agree."""
    asked = _asked()
    if asked.make_panel:
        make_panel(PANEL)
        return 0
    population = list(load_model(asked.card).priors)
    runs = sampled_by_each(asked)
    agree = agreement(runs, population)
    print_costs(runs, population)
    print("\nwithin Monte Carlo error" if agree else "\nNOT within Monte Carlo error")
    return 0 if agree else 1


def agreement(runs: Sequence[Sampled], population: Sequence[str]) -> bool:
    """Print each engine and how it differs from the first; whether all mixed and all agree."""
    mixed = [_mixed(run) for run in runs]
    agree = all(mixed)
    for run in runs[1:]:
        z = differences(runs[0].posterior, run.posterior)
        _print_comparison(runs[0].engine, run.engine, z, population)
        wrong = beyond(z, population)
        if len(wrong):
            print(f"\nBEYOND MONTE CARLO ERROR\n{wrong[list(MEASURES)].to_string(float_format='%.1f')}")
        agree &= wrong.empty
    return agree


def print_costs(runs: list[Sampled], population: list[str]) -> None:
    """One row an engine; parameters are those that all engines have."""
    common = [name for name in runs[0].posterior if all(name in run.posterior for run in runs)]
    smallest = {run.engine: smallest_ess(run.posterior[common], population) for run in runs}
    against = next((run for run in runs if run.engine == "pymc"), runs[-1])
    print(
        f"| engine | compile, CPU s | sample, CPU s | draws | divergent | smallest bulk ESS: population, all | "
        f"per CPU s: population, all | ratio to {against.engine}: population, all |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for run in runs:
        ess = smallest[run.engine]
        rate = ess / run.sample_cpu_s
        ratio = rate / (smallest[against.engine] / against.sample_cpu_s)
        drawn = run.posterior.sizes["chain"] * run.posterior.sizes["draw"]
        print(
            f"| {run.engine} | {run.compile_cpu_s:.0f} | {run.sample_cpu_s:.1f} | {drawn:,} | {run.divergent} | "
            f"{ess[0]:.0f}, {ess[1]:.0f} | {rate[0]:.2f}, {rate[1]:.2f} | {ratio[0]:.2f}, {ratio[1]:.2f} |"
        )


def smallest_ess(
    posterior: xr.Dataset, population: list[str]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Smallest bulk ESS of the population's parameters, and of all."""
    table = convergence(posterior)
    of_population = table["parameter"].isin(population)
    return np.array([table.loc[of_population, "ess_bulk"].min(), table["ess_bulk"].min()])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    options_of_engines(parser, PANEL)
    parser.add_argument("--make-panel", action="store_true", help="write the panel anew and stop")
    return parser.parse_args()


def _mixed(run: Sampled) -> bool:
    table = convergence(run.posterior)
    worst = table.sort_values("r_hat").iloc[-1]
    print(
        f"{run.engine}: {run.posterior.sizes['chain']} x {run.posterior.sizes['draw']:,} draws, R-hat to "
        f"{worst['r_hat']:.4f} ({worst['parameter']} [{worst['place']}]), bulk ESS from {table['ess_bulk'].min():.0f}, "
        f"tail ESS from {table['ess_tail'].min():.0f}, {run.divergent} divergent; "
        f"CPU {run.compile_cpu_s:.0f} s to compile, {run.sample_cpu_s:.0f} s to sample"
    )
    return bool(worst["r_hat"] < R_HAT)


def _print_comparison(one: str, other: str, z: pd.DataFrame, population: Sequence[str]) -> None:
    of_population = z.index.get_level_values("parameter").isin(population)
    print(f"\nz of {other} less {one}\n\n| parameter | {one} | {other} | SD | {' | '.join(MEASURES)} |")
    print("|---|" + "---|" * (3 + len(MEASURES)))
    for row in z[of_population].reset_index().to_dict("records"):
        shown = " | ".join(f"{row[measure]:+.1f}" for measure in MEASURES)
        title = f"{row['parameter']} [{row['place']}]" if row["place"] else row["parameter"]
        print(f"| {title} | {row['first']:.4g} | {row['other']:.4g} | {row['width']:.2g} | {shown} |")
    print(
        "\n| all of | numbers | root mean square z | largest z | means apart, at most, in SD |\n|---|---|---|---|---|"
    )
    groups = [("the population", z[of_population])]
    groups += [(str(name), group) for name, group in z[~of_population].groupby(level="parameter")]
    for title, group in groups:
        values = group[list(MEASURES)].to_numpy()
        square = np.sqrt(np.mean(values**2))
        apart = group["in_sd"].abs().max()
        print(f"| {title} | {values.size} | {square:.2f} | {np.abs(values).max():.1f} | {apart:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
