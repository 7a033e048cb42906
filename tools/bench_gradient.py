"""What a gradient of a card's log density costs as the panel grows: `python -m tools.bench_gradient`.

Compiled as nutpie takes it, of synthetic panels of 40, 200 and 1,000 avatars on 4 arms, each in a process of its own.
Exit code 1 if a visit costs above 1.5 times as much in the largest panel as in the smallest: the cost is to be linear.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import subprocess
import sys
import time

import numpy as np
import nutpie

from avatar_trials.calibrate.curves import curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.card_files import load_design, load_model
from avatar_trials.emulate.panel import synthetic_panel
from tools.cross_check import ARMS, PANEL_SEED
from tools.sampling_engines import ROOT

AVATARS = (40, 200, 1000)
ALLOWED_GROWTH = 1.5
SECONDS_OF_GRADIENTS = 5.0


def scaling(card: str) -> int:
    """Print the cost of a gradient as the panel grows."""
    print(
        "| avatars | mice | visits | parameters | ms a gradient | µs a visit | compile, CPU s | peak memory, MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    a_visit = []
    for n_avatars in AVATARS:
        command = [
            sys.executable,
            "-m",
            "tools.bench_gradient",
            "--gradient-of",
            str(n_avatars),
            "--card",
            card,
        ]
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
        cost = json.loads(done.stdout.splitlines()[-1])
        a_visit.append(1e3 * cost["ms"] / cost["visits"])
        print(
            f"| {n_avatars:,} | {cost['mice']:,} | {cost['visits']:,} | {cost['parameters']:,} | {cost['ms']:.3f} | "
            f"{a_visit[-1]:.3f} | {cost['compile_cpu_s']:.0f} | {cost['peak_mb']:.0f} |",
            flush=True,
        )
    linear = a_visit[-1] <= ALLOWED_GROWTH * a_visit[0]
    print(
        f"\na visit costs {a_visit[-1] / a_visit[0]:.2f} times as much in the largest panel as in the smallest"
    )
    return 0 if linear else 1


def gradient_cost(n_avatars: int, card_name: str) -> dict[str, float]:
    """Size of a synthetic panel of `n_avatars` on four arms, CPU ms of a gradient, CPU s to compile, peak memory."""
    card = load_model(card_name)
    design = load_design("melanoma_braf_mek")
    panel = synthetic_panel(
        card,
        ARMS,
        n_avatars=n_avatars,
        n_biomarker=n_avatars // 3,
        tumor_type="CM",
        stopping=design.stopping,
        seed=PANEL_SEED,
    )
    curves, _ = curves_of(panel.table, card)
    begin = time.process_time()
    model = build_model(curves, card)
    compiled = nutpie.compile_pymc_model(model)
    compile_cpu_s = time.process_time() - begin
    point = np.concatenate([np.ravel(value) for value in model.initial_point().values()])
    slopes, density = np.empty(len(point)), np.empty(1)
    pointers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (point, slopes, density)]
    gradients, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < SECONDS_OF_GRADIENTS:
        for _ in range(10):
            if compiled.compiled_logp_func.ctypes(len(point), *pointers, compiled.user_data.ctypes.data):
                raise RuntimeError("the density or a slope of it is not finite at the initial point")
        gradients += 10
    return {
        "mice": len(curves.curve_names),
        "visits": len(curves.day),
        "parameters": len(point),
        "ms": 1e3 * spent / gradients,
        "compile_cpu_s": compile_cpu_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", default="graded_kill")
    parser.add_argument("--gradient-of", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.gradient_of:
        print(json.dumps(gradient_cost(asked.gradient_of, asked.card)))
        return 0
    return scaling(asked.card)


if __name__ == "__main__":
    sys.exit(main())
