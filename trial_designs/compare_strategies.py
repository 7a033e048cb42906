"""Every strategy on one panel of assumed avatars, PFS beside the failure of the whole strategy.

uv run python trial_designs/compare_strategies.py [DESIGN] [AVATARS]
"""

import sys

import avatar_trials as at

ENDPOINTS = {
    "PFS_mean_days": "PFS",
    "strategy_failure_mean_days": "failure",
    "depth_of_response_pct": "depth %",
    "durable_share": "durable",
    "drug_days": "drug-days",
}


def main(name: str = "every_strategy", avatars: str = "300") -> None:
    """Print one row a strategy, and its paired difference in time to failure."""
    design = at.load_strategies(name).model_copy(update={"n_avatars": int(avatars)})
    followed = at.compare_strategies(design)
    scores, differences = at.score_strategies(followed, design.reference, seed=design.seed)
    table = scores.pivot(index="strategy", columns="endpoint", values="estimate")
    table = table.loc[design.strategy_names, list(ENDPOINTS)].rename(columns=ENDPOINTS)
    failure = differences[differences["endpoint"] == "strategy_failure_mean_days"].set_index("strategy")
    told = failure.apply(lambda row: f"{row.difference:+.0f} [{row.lower:.0f}, {row.upper:.0f}]", axis=1)
    table["failure, paired difference"] = told.reindex(table.index, fill_value="reference")
    print(table.round(2).to_string(), end="\n\n")
    print(f"Mean days up to the horizon; differences from {design.reference!r}, paired by avatar.")
    print(followed.attrs["scenario"])


if __name__ == "__main__":
    main(*sys.argv[1:])
