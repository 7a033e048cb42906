"""Closed formulas for a lesion treated with two targeted drugs: resistant cells at detection, chance of cure.

A lesion grows from one cell at `birth` and `death` (1/day) to `size` cells. Treatment changes the rates of cells that
are sensitive to at least one drug to `birth_treated` and `death_treated`; fully resistant cells keep theirs. A division
makes a mutant at each position with probability `mutation` (u); n1, n2 positions resist one drug, n12 both. All
arguments broadcast; the limit is that of many cells and rare mutations.

s = 1 - death/birth is the chance of a lineage to last before treatment, s' = 1 - death_treated/birth_treated < 0.

Source: Bozic et al. 2013, eLife 2:e00747, text and equation (1), with proofs in its Supplementary file 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avatar_trials.kinetics.branching import Floats, logrel, not_negative


@dataclass(frozen=True)
class DualTherapy:
    """Chance that two drugs given together eradicate a lesion: four independent ways to fail, equation (1).

    Logs of the chances that no resistant lineage arose and lasted, in one or two mutations (1, 2), before (up) or
    during (down) treatment. Above the exact multi-type answer (`eradication_at_detection`) the chance to fail is by
    0.00007 at 1e9 cells, 0.0007 at 1e10, 0.006 at 1e11 (the paper's typical rates, n12 = 0, 5 % of itself), all of it
    by `p2_up`, an approximation; by 0.023 at 1e11 cells and a division a day, where the paper simulated 0.53.
    """

    log_p1_up: Floats
    log_p1_down: Floats
    log_p2_up: Floats
    log_p2_down: Floats

    @property
    def p1_up(self) -> Floats:
        return np.exp(self.log_p1_up)

    @property
    def p1_down(self) -> Floats:
        return np.exp(self.log_p1_down)

    @property
    def p2_up(self) -> Floats:
        return np.exp(self.log_p2_up)

    @property
    def p2_down(self) -> Floats:
        return np.exp(self.log_p2_down)

    @property
    def log_p_eradicate(self) -> Floats:
        return self.log_p1_up + self.log_p1_down + self.log_p2_up + self.log_p2_down

    @property
    def p_eradicate(self) -> Floats:
        return np.exp(self.log_p_eradicate)

    @property
    def p_fail(self) -> Floats:
        return -np.expm1(self.log_p_eradicate)


def dual_therapy(
    size: ArrayLike,
    mutation: ArrayLike,
    *,
    birth: ArrayLike,
    death: ArrayLike,
    birth_treated: ArrayLike,
    death_treated: ArrayLike,
    n1: ArrayLike,
    n2: ArrayLike,
    n12: ArrayLike,
) -> DualTherapy:
    """Chance to eradicate a lesion with both drugs at once. A patient's chance is the product over lesions.

    Drugs that kill raise `death_treated`, cytostatic ones lower `birth_treated`. Raises ValueError for a lesion that
    does not grow before treatment or does not shrink under it, and for negative arguments.
    """
    m, u, one, two, both = not_negative(size=size, mutation=mutation, n1=n1, n2=n2, n12=n12)
    s, falls = _lasting(birth, death), _shrinking(birth_treated, death_treated)
    # 1/s' = -falls, so that full growth arrest (birth_treated = 0) is an ordinary case.
    q = 1.0 / s + falls
    paths = 2.0 * one * two + both * (one + two)

    def two_steps(first: Floats, second: Floats) -> Floats:
        return first * second * np.log(1.0 / (s * m) + u * second * q)

    return DualTherapy(
        log_p1_up=-m * u * both,
        log_p1_down=-m * u * both * s * falls,
        log_p2_up=m * u**2 * q * (two_steps(one, two + both) + two_steps(two, one + both)),
        log_p2_down=-m * u**2 * paths * s * falls**2,
    )


def single_therapy_cure(
    size: ArrayLike,
    mutation: ArrayLike,
    *,
    birth: ArrayLike,
    death: ArrayLike,
    birth_treated: ArrayLike,
    death_treated: ArrayLike,
    positions: ArrayLike,
) -> Floats:
    """Chance that one drug, resisted at `positions` positions, eradicates a lesion: equation (1), one step only."""
    rates = {"birth": birth, "death": death}
    treated = {"birth_treated": birth_treated, "death_treated": death_treated}
    return dual_therapy(size, mutation, **rates, **treated, n1=0, n2=0, n12=positions).p_eradicate


def sequential_cure(
    size: ArrayLike,
    mutation: ArrayLike,
    *,
    birth: ArrayLike,
    death: ArrayLike,
    birth_treated: ArrayLike,
    death_treated: ArrayLike,
    n1: ArrayLike,
    n2: ArrayLike,
    n12: ArrayLike,
    size_at_switch: ArrayLike | None = None,
) -> Floats:
    """Chance of a cure by drug 1 until relapse at `size_at_switch` cells (default `size`), then drug 2.

    Either drug 1 cures alone, or the relapse, which regrew from single resistant cells, is cured by drug 2 alone; a
    relapse of more than one clone is if anything harder. Our reading of the paper's figure 5, which has 0.
    """
    rates = {"birth": birth, "death": death, "birth_treated": birth_treated, "death_treated": death_treated}
    relapse = size if size_at_switch is None else size_at_switch
    first = single_therapy_cure(size, mutation, **rates, positions=np.add(n1, n12))
    second = single_therapy_cure(relapse, mutation, **rates, positions=np.add(n2, n12))
    return first + (1.0 - first) * second


def expected_resistant(
    size: ArrayLike,
    mutation: ArrayLike,
    *,
    birth: ArrayLike,
    death: ArrayLike,
    n1: ArrayLike,
    n2: ArrayLike,
    n12: ArrayLike,
) -> Floats:
    """Expected number of cells resistant to both drugs in a lesion of `size` cells before treatment.

    M [n12 mu + (n1 n2 + n12/2 (n1 + n2 - n12)) mu^2] with mu = (u/s) log(M s). Raises ValueError for a lesion that does
    not grow, or of no more than 1/s cells.
    """
    m, u, one, two, both = not_negative(size=size, mutation=mutation, n1=n1, n2=n2, n12=n12)
    mu = u * _log_carried(m, _lasting(birth, death)) / _lasting(birth, death)
    return m * (both * mu + (one * two + 0.5 * both * (one + two - both)) * mu**2)


def p_none_one_step(
    size: ArrayLike, mutation: ArrayLike, *, birth: ArrayLike, death: ArrayLike, positions: ArrayLike
) -> Floats:
    """Chance p1 that a lesion of `size` cells has no cell resistant by one mutation: exp(M u n log(s)/(1 - s))."""
    m, u, n = not_negative(size=size, mutation=mutation, positions=positions)
    return np.exp(-m * u * n * logrel(_lasting(birth, death) - 1.0))


def p_resistant_exists(
    size: ArrayLike,
    mutation: ArrayLike,
    *,
    birth: ArrayLike,
    death: ArrayLike,
    n1: ArrayLike,
    n2: ArrayLike,
    n12: ArrayLike,
) -> Floats:
    """Chance 1 - p1 p2 that a lesion of `size` cells has a cell resistant to both drugs, by one or two mutations.

    p2 = exp(M u^2 (2 n1 n2 + n12 (n1 + n2)) log(s) log(M s)/(s (1 - s))) is the paper's approximation: it counts two-
    step lineages as independent and is too high where they are not rare (0.363 for the exact 0.222 at 1e11 cells,
    n1 = n2 = 50, u = 1e-9).
    """
    m, u, one, two, both = not_negative(size=size, mutation=mutation, n1=n1, n2=n2, n12=n12)
    s = _lasting(birth, death)
    paths = 2.0 * one * two + both * (one + two)
    log_p1 = -m * u * both * logrel(s - 1.0)
    return -np.expm1(log_p1 - m * u**2 * paths * logrel(s - 1.0) * _log_carried(m, s) / s)


def _lasting(birth: ArrayLike, death: ArrayLike) -> Floats:
    b, d = not_negative(birth=birth, death=death)
    if not (b > d).all():
        raise ValueError(f"a lesion grows before treatment only if birth is above death, got {b} and {d}")
    return (b - d) / b


def _shrinking(birth: ArrayLike, death: ArrayLike) -> Floats:
    b, d = not_negative(birth_treated=birth, death_treated=death)
    if not (d > b).all():
        raise ValueError(
            f"sensitive cells shrink only if death_treated is above birth_treated, got {d} and {b}"
        )
    return b / (d - b)


def _log_carried(size: Floats, s: Floats) -> Floats:
    if not (size * s > 1.0).all():
        raise ValueError(f"a lesion is found at more than birth/(birth - death) cells, got {size}")
    return np.log(size * s)
