"""Two states of one clone that turn into each other, and a resistant clone that both feed: closed forms.

Cycling cells become drug-tolerant persisters under drug and wake when it is withdrawn; bulk cells arise from stem-like
ones and may turn back. Both are one block of two states, B = [[a, back], [out, b]], in 1/day:

    first'  = a first + back second
    second' = out first + b second

The eigenvalues are real, l1 >= l2, and e^(Bt) = e^(l2 t) + t exp[l1 t, l2 t] (B - l2) has no negative term, so that
the share that has all but vanished is as accurate as the other. Formulas are for the sampler and the emulator alike.

Source: block form by Putzer 1966, Am. Math. Monthly 73:2, written with divided differences; persisters: Sharma 2010,
Cell 141:69; fed resistant clone: Hata 2016, Nat. Med. 22:262.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_trials.kinetics.divided_differences import first, second
from avatar_trials.kinetics.namespace import Array, Namespace, mean_decay

Entries = dict[tuple[int, int], Array]

_TINY = 1e-290


@dataclass(frozen=True)
class Block:
    """Eigenvalues of a two-state block (1/day), l1 >= l2, and what is above l2 on its diagonal, both >= 0."""

    largest: Array
    smallest: Array
    first_above: Array
    second_above: Array


def block(a: Array, b: Array, out: Array, back: Array, xp: Namespace = np) -> Block:
    """Eigenvalues of [[a, back], [out, b]]; `out`, `back` >= 0, all in 1/day, broadcasting."""
    half = 0.5 * (a - b)
    product = out * back
    root = xp.sqrt(half * half + product + _TINY)
    distance = abs(half)
    # The smaller of root + half, root - half from their product: their difference would cancel.
    near = product / (root + distance)
    far = root + distance
    middle = 0.5 * (a + b)
    above = half > 0.0
    return Block(middle + root, middle - root, xp.where(above, far, near), xp.where(above, near, far))


def switching(a: Array, b: Array, out: Array, back: Array, dt: Array, xp: Namespace = np) -> Entries:
    """Entries {(to, from): ...} of e^(B dt) for the states (0, 1): cycling and persister, or stem-like and bulk.

    `a`, `b`: net rates of the two states, what they lose to each other included; `out`: rate from 0 to 1; `back`:
    from 1 to 0; 1/day. `dt` >= 0 in days. All broadcast.
    """
    of = block(a, b, out, back, xp)
    decay = xp.exp(of.smallest * dt)
    mixed = dt * first(of.largest * dt, of.smallest * dt, xp)
    return {
        (0, 0): decay + mixed * of.first_above,
        (1, 0): mixed * out,
        (0, 1): mixed * back,
        (1, 1): decay + mixed * of.second_above,
    }


def switching_and_resistance(
    a: Array,
    b: Array,
    out: Array,
    back: Array,
    resistant: Array,
    mutation: Array,
    mutation_persister: Array,
    dt: Array,
    xp: Namespace = np,
) -> Entries:
    """Entries of the propagator of (cycling, persister, resistant): `switching`, and a clone that both feed.

    `resistant`: its net rate; `mutation`, `mutation_persister`: rates from cycling and from persister, >= 0; 1/day.
    R(t) = R0 e^(gt) + int_0^t e^(g(t - s)) (m, m_P) . e^(Bs) (S, P) ds.
    """
    of = block(a, b, out, back, xp)
    entries = switching(a, b, out, back, dt, xp)
    g, l1, l2 = resistant * dt, of.largest * dt, of.smallest * dt
    alone = dt * first(g, l2, xp)
    mixed = dt * dt * second(g, l1, l2, xp)
    return {
        **entries,
        (2, 0): mutation * (alone + mixed * of.first_above) + mutation_persister * mixed * out,
        (2, 1): mutation_persister * (alone + mixed * of.second_above) + mutation * mixed * back,
        (2, 2): xp.exp(g),
    }


def log_growth(
    t: Array, a: Array, b: Array, out: Array, back: Array, persister_share: Array, xp: Namespace = np
) -> Array:
    """log(V(t)/V0) of a tumour of cycling cells and a share of persisters at day 0, under constant treatment.

    The larger eigenvalue is taken out, so that a tumour shrunk beyond floating point keeps a finite log volume.
    """
    of = block(a, b, out, back, xp)
    gap = (of.largest - of.smallest) * t
    decay, mixed = xp.exp(-gap), t * mean_decay(gap, xp)
    cycling = 1.0 - persister_share
    total = (
        decay + mixed * (of.first_above + out) * cycling + mixed * (of.second_above + back) * persister_share
    )
    return of.largest * t + xp.log(total)


def equivalent_share(share: Array, rate: Array, source: Array, fed: Array) -> Array:
    """Share q_eff at day 0 that looks the same as a share q fed at `rate` during constant treatment.

    q_eff = q + (1 - q) rate/(fed - source) for a source of net rate `source` and a fed state of net rate `fed`, larger,
    in 1/day. Volumes are then identical at every time: what was there before treatment and what arises under it cannot
    be told apart from volume. Raises ValueError where `fed` does not exceed `source`.
    """
    if not np.all(np.asarray(fed) > np.asarray(source)):
        raise ValueError("the fed state must grow faster than its source, or shrink more slowly")
    return share + (1.0 - share) * rate / (fed - source)
