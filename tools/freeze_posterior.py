"""Keep a few draws of a posterior as a small fixture: `python tools/freeze_posterior.py POSTERIOR [TARGET]`.

Every variable of the posterior group is kept for evenly spaced draws, and the data groups without the predictions, so
that tests emulate, read and report from a file that never changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import xarray as xr

from avatar_trials.stamp import read_netcdf, read_stamp, write_netcdf

ROOT = Path(__file__).resolve().parent.parent
DRAWS_PER_CHAIN = 25
KEPT_GROUPS = ("posterior", "sample_stats", "observed_data", "constant_data")


def main() -> None:
    """Write the fixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("posterior", type=Path)
    parser.add_argument(
        "target", type=Path, nargs="?", default=ROOT / "tests" / "fixtures" / "frozen_posterior.nc"
    )
    chosen = parser.parse_args()
    tree = read_netcdf(chosen.posterior, kind="posterior")
    groups = {f"/{name}": _thinned(tree[name].to_dataset()) for name in KEPT_GROUPS}
    frozen = xr.DataTree.from_dict(groups)
    frozen.attrs = {name: value for name, value in tree.attrs.items() if name != "stamp"}
    write_netcdf(frozen, chosen.target, read_stamp(tree) | {"thinned_to_draws_per_chain": DRAWS_PER_CHAIN})
    print(f"{chosen.target}: {chosen.target.stat().st_size:,} bytes")


def _thinned(group: xr.Dataset) -> xr.Dataset:
    if "draw" not in group.dims:
        return group
    step = max(1, group.sizes["draw"] // DRAWS_PER_CHAIN)
    return group.isel(draw=slice(None, step * DRAWS_PER_CHAIN, step))


if __name__ == "__main__":
    main()
