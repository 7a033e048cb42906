"""Chains of tools/graded_kill.stan: `python tools/stan_chains.py ASKED.json OUT.npz`, where pystan is installed.

Imports nothing of the package, for pystan may need another Python than the package's: with 3.13, pystan 3.14 builds
programs that do not load (undefined symbol _PyThreadState_UncheckedGet), with 3.11 it works.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np


def main(asked_file: str, out: str) -> None:
    """Sample what `asked_file` asks for: data, chains, tune, draws, target_accept, seed; draws (…, draw x chain)."""
    stan = importlib.import_module("stan")
    asked = json.loads(Path(asked_file).read_text())
    program = Path(__file__).with_name("graded_kill.stan").read_text()
    with mock.patch("subprocess.run", _patient(subprocess.run)):
        model = stan.build(program, data=asked["data"], random_seed=asked["seed"])
    built = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    fit = model.sample(
        num_chains=asked["chains"],
        num_warmup=asked["tune"],
        num_samples=asked["draws"],
        delta=asked["target_accept"],
        init_radius=1.0,
    )
    drawn = {name: fit[name] for name in (*fit.param_names, "divergent__", "treedepth__", "n_leapfrog__")}
    np.savez(out, built_cpu_s=built, **drawn)


def _patient(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` without its timeout: pystan gives Stan's translator one second, too little on a busy machine."""

    def patient(*command: Any, timeout: float | None = None, **options: Any) -> Any:
        return run(*command, **options)

    return patient


if __name__ == "__main__":
    main(*sys.argv[1:])
