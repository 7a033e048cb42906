"""Ranks of truths among posterior draws: rank ECDFs with simultaneous bands, chi-square, and how far a rank strays.

Of a calibrated posterior the rank of the truth among L draws is uniform on 0 .. L (Talts et al. 2018). The ECDF of N
ranks is compared at z = 1/(L + 1) .. L/(L + 1) with its binomial law there; the level at each z is set so that the
whole ECDF stays inside its band with the level asked for.

Source: Säilynoja, Bürkner & Vehtari 2022, Statistics and Computing 32:32, section 2.1; level found by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from avatar_trials.seeds import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.95
SIMULATIONS = 20_000
SIMULATED_AT_A_TIME = 1000
BINS = 20


def rank_of(truth: float, draws: Floats, rng: np.random.Generator) -> int:
    """Number of `draws` (L,) below the truth, 0 .. L; its place among equal draws by chance."""
    below, equal = int((draws < truth).sum()), int((draws == truth).sum())
    return below + int(rng.integers(equal + 1))


@dataclass(frozen=True)
class Uniformity:
    """How ranks of one quantity compare with uniform ones.

    `p_band`: chance that uniform ranks leave a band as narrow as the one these just leave, simultaneous over the ECDF;
    `inside` at LEVEL. `largest`: signed deviation of the ECDF from the diagonal that is rarest, and `at` which z (a
    positive one: truths too low for the posterior). `p_chi2`: equal counts in up to 20 bins.
    """

    n: int
    p_band: float
    inside: bool
    largest: float
    at: float
    p_chi2: float


def uniformity(ranks: Ints, n_draws: int) -> Uniformity:
    """`ranks` (N,) of truths among `n_draws` draws each, 0 .. n_draws."""
    n = len(ranks)
    counts = np.bincount(ranks, minlength=n_draws + 1)
    reached = counts.cumsum()[:-1]
    tails = _two_sided(n, n_draws)[np.arange(n_draws), reached]
    least = _least_of_uniform_ranks(n, n_draws)
    simulated = (1 + np.searchsorted(least, tails.min() * (1 + 1e-12), side="right")) / (1 + len(least))
    z = grid(n_draws)
    worst = int(tails.argmin())
    edges = np.linspace(0, n_draws + 1, min(BINS, max(2, n // 5)) + 1).round().astype(int)
    binned = np.add.reduceat(counts, edges[:-1])
    return Uniformity(
        n=n,
        # Beyond what was simulated, the sum over z bounds the chance of any.
        p_band=float(min(simulated, n_draws * tails.min())),
        inside=bool(tails.min() >= _level_at_each(n, n_draws)),
        largest=float(reached[worst] / n - z[worst]),
        at=float(z[worst]),
        p_chi2=float(stats.chisquare(binned, n * np.diff(edges) / (n_draws + 1)).pvalue),
    )


def band(n: int, n_draws: int) -> tuple[Floats, Floats]:
    """Lower and upper limits (z,) of ECDF - z of n uniform ranks, simultaneous at LEVEL."""
    z, alpha = grid(n_draws), _level_at_each(n, n_draws)
    return stats.binom.ppf(alpha / 2, n, z) / n - z, stats.binom.ppf(1 - alpha / 2, n, z) / n - z


def grid(n_draws: int) -> Floats:
    """Where (z,) the ECDF of ranks is looked at."""
    return np.arange(1, n_draws + 1) / (n_draws + 1)


@cache
def _two_sided(n: int, n_draws: int) -> Floats:
    """Two-sided tail probability (z, count 0 .. n) of the ECDF's binomial law at each z."""
    count, z = np.arange(n + 1), grid(n_draws)[:, None]
    tails: Floats = 2 * np.minimum(stats.binom.cdf(count, n, z), stats.binom.sf(count - 1, n, z))
    return tails


@cache
def _least_of_uniform_ranks(n: int, n_draws: int) -> Floats:
    """The least two-sided tail probability over z of n uniform ranks, SIMULATIONS times, sorted."""
    rng, tails = stream(0, "uniform ranks", str(n), str(n_draws)), _two_sided(n, n_draws)
    least = []
    for _ in range(SIMULATIONS // SIMULATED_AT_A_TIME):
        counts = rng.multinomial(n, np.full(n_draws + 1, 1 / (n_draws + 1)), SIMULATED_AT_A_TIME)
        least.append(tails[np.arange(n_draws), counts.cumsum(axis=1)[:, :-1]].min(axis=1))
    return np.sort(np.concatenate(least))


def _level_at_each(n: int, n_draws: int) -> float:
    return float(np.quantile(_least_of_uniform_ranks(n, n_draws), 1 - LEVEL))
