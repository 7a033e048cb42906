"""One posterior by three samplers, each in a process of its own, with its CPU seconds.

    python -m tools.sampling_engines ENGINE VOLUMES OUT.nc [--seed 1 --tune 800 --draws 3000 --card graded_kill]

`nutpie` is the package's own path (`calibrate_avatars`); `pymc` is PyMC's own NUTS on the same `pymc.Model`; `stan` is
tools/graded_kill.stan through pystan, a second transcription of the equations. Caches of
compiled code start empty, so that compile time is that of a first run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from avatar_trials.calibrate import calibrate_avatars
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.card_files import load_model
from avatar_trials.intake import read_volumes
from avatar_trials.model_cards import ModelCard

ENGINES = ("nutpie", "pymc", "stan")
ROOT = Path(__file__).parent.parent
STAN_CHAINS = Path(__file__).with_name("stan_chains.py")
STAN_PYTHON = "uv run --no-project --python 3.12 --with pystan python"
CHAINS = 4


@dataclass(frozen=True)
class Sampled:
    """A posterior (chain, draw, …) by `engine`; CPU seconds of compilation and of sampling with tuning."""

    engine: str
    posterior: xr.Dataset
    compile_cpu_s: float
    sample_cpu_s: float
    divergent: int


def card_with(name: str, tune: int | None, draws: int | None) -> ModelCard:
    """A model card, with other lengths of tuning and sampling where given."""
    card = load_model(name)
    changed = {key: value for key, value in (("tune", tune), ("draws", draws)) if value}
    return card.model_copy(update={"sampling": card.sampling.model_copy(update=changed)})


def sampled(engine: str, volumes: Path, arguments: list[str]) -> Sampled:
    """Sample in a process of its own; CPU seconds are of that process and all its children.

    Raises RuntimeError with the engine's own words if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "posterior.nc"
        fresh = {"XDG_CACHE_HOME": folder, "PYTENSOR_FLAGS": f"base_compiledir={folder}"}
        command = [sys.executable, "-m", "tools.sampling_engines", engine, str(volumes), str(out), *arguments]
        before = _cpu_s(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, cwd=ROOT, env=fresh | os.environ, text=True, capture_output=True, check=False
        )
        cpu = _cpu_s(resource.RUSAGE_CHILDREN) - before
        if done.returncode:
            raise RuntimeError(f"{engine} failed:\n{done.stderr[-3000:]}")
        with xr.open_dataset(out, engine="h5netcdf") as file:
            posterior = file.load()
    facts = posterior.attrs
    return Sampled(
        engine,
        posterior,
        float(facts["compile_cpu_s"]),
        cpu - float(facts["sampling_from_cpu_s"]),
        int(facts["divergent"]),
    )


def sampling_options(parser: argparse.ArgumentParser) -> None:
    """Options of one engine: how it samples, and what."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tune", type=int)
    parser.add_argument("--draws", type=int)
    parser.add_argument("--card", default="graded_kill")
    parser.add_argument("--stan-python", default=STAN_PYTHON, help="a Python with pystan")


def options_of_engines(parser: argparse.ArgumentParser, volumes: Path) -> None:
    """Options of several engines on the same `volumes`: `sampled_by_each` reads them."""
    parser.add_argument("--engines", default="nutpie,pymc", help=f"of {', '.join(ENGINES)}")
    parser.add_argument("--volumes", type=Path, default=volumes)
    sampling_options(parser)


def sampled_by_each(asked: argparse.Namespace) -> list[Sampled]:
    """The posterior of each engine that is asked for, in turn."""
    arguments = ["--seed", str(asked.seed), "--card", asked.card, "--stan-python", asked.stan_python]
    for name in ("tune", "draws"):
        if getattr(asked, name):
            arguments += [f"--{name}", str(getattr(asked, name))]
    return [sampled(engine, asked.volumes, arguments) for engine in asked.engines.split(",")]


def by_nutpie(volumes: Path, card: ModelCard, seed: int) -> xr.Dataset:
    """The package's own path, as a user runs it. Its predictive checks are not counted as sampling."""
    marks = [_own_cpu_s()]
    said = {"compiling": 0, "sampling": 0, "predictive": 0}

    def listen(message: str) -> None:
        phase = message.split()[0]
        if phase in said:
            said[phase] += 1
            marks.append(_own_cpu_s())

    tree = calibrate_avatars(read_volumes(volumes), card, seed=seed, say=listen)
    if list(said.values()) != [1, 1, 1]:
        raise RuntimeError(f"calibrate_avatars names its phases otherwise than expected: {said}")
    _, begin, compiled, finished = marks
    posterior = tree["posterior"].to_dataset()
    divergent = int(tree["sample_stats"]["diverging"].sum())
    # What came before sampling and after it is taken off the process's time.
    return posterior.assign_attrs(
        compile_cpu_s=compiled - begin,
        sampling_from_cpu_s=compiled + _own_cpu_s() - finished,
        divergent=divergent,
    )


def by_pymc(volumes: Path, card: ModelCard, seed: int) -> xr.Dataset:
    """PyMC's own NUTS, one chain after the other; chains start at the model's initial point, as slopes must."""
    import pymc as pm

    curves, _ = curves_of(read_volumes(volumes), card)
    begin = _own_cpu_s()
    first: list[float] = []

    def note(**_: Any) -> None:
        if not first:
            first.append(_own_cpu_s())

    with build_model(curves, card):
        tree = pm.sample(
            card.sampling.draws,
            tune=card.sampling.tune,
            chains=CHAINS,
            cores=1,
            random_seed=seed,
            nuts_sampler="pymc",
            init="adapt_diag",
            target_accept=card.sampling.target_accept,
            progressbar=False,
            compute_convergence_checks=False,
            callback=note,
        )
    divergent = int(tree["sample_stats"]["diverging"].sum())
    return (
        tree["posterior"]
        .to_dataset()
        .drop_attrs()
        .assign_attrs(compile_cpu_s=first[0] - begin, sampling_from_cpu_s=first[0], divergent=divergent)
    )


def by_stan(volumes: Path, card: ModelCard, seed: int, python: str = STAN_PYTHON) -> xr.Dataset:
    """Stan's NUTS on tools/graded_kill.stan, by another Python."""
    curves, _ = curves_of(read_volumes(volumes), card)
    length = {"chains": CHAINS, "tune": card.sampling.tune, "draws": card.sampling.draws}
    asked = {"data": stan_data(curves, card), "target_accept": card.sampling.target_accept, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "asked.json", Path(folder) / "draws.npz"
        file.write_text(json.dumps(length | asked))
        before = _own_cpu_s()
        subprocess.run([*shlex.split(python), str(STAN_CHAINS), str(file), str(out)], check=True)
        with np.load(out) as drawn:
            fit = dict(drawn)
    built = float(fit.pop("built_cpu_s"))
    return _named(fit, curves).assign_attrs(
        compile_cpu_s=built,
        sampling_from_cpu_s=before + built,
        divergent=int(fit["divergent__"].sum()),
        leapfrogs=float(fit["n_leapfrog__"].mean()),
    )


def stan_data(curves: Curves, card: ModelCard) -> dict[str, Any]:
    """What tools/graded_kill.stan wants to know of curves and card.

    Raises ValueError for what the program does not have: another kinetics or deceleration, several tumour types, drugs
    of one class, parameters that the card fixes.
    """
    beyond = (
        card.kinetics != "graded_kill"
        or card.deceleration_law != "power"
        or len(curves.tumor_types) > 1
        or card.share_a_class(curves.drugs)
        or card.fixed_parameters
    )
    if beyond:
        raise ValueError("graded_kill.stan does not have everything this card and panel need")
    first = np.searchsorted(curves.obs_curve, np.arange(len(curves.curve_names)))
    last = np.searchsorted(curves.obs_curve, np.arange(len(curves.curve_names)), side="right")
    place = {arm: k + 1 for k, arm in enumerate(curves.combinations)}
    return {
        "n_avatar": len(curves.avatars),
        "n_drug": len(curves.drugs),
        "n_mouse": len(curves.curve_names),
        "n_untreated": curves.n_untreated,
        "n_visit": len(curves.day),
        "n_combination": len(curves.combinations),
        "avatar": (curves.curve_avatar + 1).tolist(),
        "given": curves.given.astype(int).tolist(),
        "combination": [place.get(arm, 0) for arm in curves.curve_arm],
        "first": (first + 1).tolist(),
        "last": last.tolist(),
        "day": curves.day.tolist(),
        "log_volume": curves.log_volume.tolist(),
        "below": curves.censored.astype(int).tolist(),
        "biomarker": (
            np.zeros(len(curves.avatars)) if curves.biomarker is None else curves.biomarker
        ).tolist(),
        "floor_mm3": card.observation.diameter_floor_mm3,
        **{name: constant.value for name, constant in card.constants.items()},
        **{f"p_{name}": [prior.location, prior.scale] for name, prior in card.priors.items()},
    }


def _named(fit: dict[str, Any], curves: Curves) -> xr.Dataset:
    """Draws of Stan under the names and dims of our posterior; its own standard deviates stay out."""
    coords = {
        "avatar": curves.avatars,
        "drug": curves.drugs,
        "curve": curves.curve_names,
        "treated": curves.curve_names[curves.n_untreated :],
        "combination": curves.combinations,
    }
    by_avatar = ("log_r", "wander_avatar", "deceleration_avatar", "sensitivity")
    by_avatar_and_drug = ("slowing", "log_kill", "log_spread")
    by_drug = (
        "mu_slowing",
        "mu_k",
        "mu_spread",
        "omega_k_of_drug",
        "omega_slowing_of_drug",
        "biomarker_kill",
    )
    by_treated = ("log_growth_mouse", "log_kill_mouse", "log_spread_mouse")
    dims: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(by_avatar, ("avatar",)),
        **dict.fromkeys(by_avatar_and_drug, ("avatar", "drug")),
        **dict.fromkeys(by_drug, ("drug",)),
        **dict.fromkeys(by_treated, ("treated",)),
        "log_start": ("curve",),
        "log_r_mouse": ("curve",),
        "eta_combination": ("combination",),
    }
    scalars = [name for name, drawn in fit.items() if drawn.shape[0] == 1 and not name.endswith("__")]
    variables = {}
    for name, of in {**dict.fromkeys(scalars, ()), **dims}.items():
        shape = tuple(len(coords[dim]) for dim in of)
        draws = np.moveaxis(fit[name].reshape(*shape, -1, CHAINS), (-1, -2), (0, 1))
        variables[name] = (("chain", "draw", *of), draws)
    _, mice = variables.pop("log_r_mouse")
    variables["log_r_untreated"] = (("chain", "draw", "untreated"), mice[..., : curves.n_untreated])
    variables["log_r_treated"] = (("chain", "draw", "treated"), mice[..., curves.n_untreated :])
    return xr.Dataset(variables, {**coords, "untreated": curves.curve_names[: curves.n_untreated]})


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _own_cpu_s() -> float:
    return _cpu_s(resource.RUSAGE_SELF) + _cpu_s(resource.RUSAGE_CHILDREN)


def main() -> None:
    """Sample, and write the posterior."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("volumes", type=Path)
    parser.add_argument("out", type=Path)
    sampling_options(parser)
    asked = parser.parse_args()
    card = card_with(asked.card, asked.tune, asked.draws)
    if asked.engine == "stan":
        posterior = by_stan(asked.volumes, card, asked.seed, asked.stan_python)
    else:
        posterior = {"nutpie": by_nutpie, "pymc": by_pymc}[asked.engine](asked.volumes, card, asked.seed)
    posterior.to_netcdf(asked.out, engine="h5netcdf")
    sys.stderr.write(json.dumps({key: float(value) for key, value in posterior.attrs.items()}) + "\n")


if __name__ == "__main__":
    main()
