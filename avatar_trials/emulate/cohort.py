"""Whose tumours are treated: avatars with their latent growth, kill and resistance, one set a replicate trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.kinetics.kill_laws import KILL_LAWS, KillLaw
from avatar_trials.model_cards import fixed_parameters
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

SCALARS = (
    *("mu_r", "sigma_g", "slowing_overlap", "sigma_k", "beta_growth", "eta"),
    *("cross_resistance", "sigma_q_combination"),
    *("mu_v", "sigma_v", "deceleration", "delta", "sigma_p", "wander"),
)
GRADED_SCALARS = (
    *("mu_r", "slowing_overlap", "sigma_k", "beta_growth", "eta"),
    *("cross_resistance", "sigma_spread_combination"),
    *("mu_v", "sigma_v", "deceleration", "delta", "sigma_p"),
)


_OF_SPREAD = ("cross_resistance", "sigma_spread_combination")


def scalars_of(kinetics: str) -> tuple[str, ...]:
    """Population parameters that new mice of these kinetics take."""
    if kinetics not in KILL_LAWS:
        return SCALARS
    return tuple(name for name in GRADED_SCALARS if KILL_LAWS[kinetics].spreads or name not in _OF_SPREAD)


def _none() -> Floats:
    return np.zeros(0)


def _some(values: Floats, place: list[int]) -> Floats:
    """Some avatars' columns of what a cohort may not have."""
    return values[:, place] if values.size else values


@dataclass(frozen=True)
class Cohort:
    """Avatars of T replicate trials: each replicate is one joint draw, so parameter uncertainty is carried.

    population: name -> (T,); log_r (T, avatar) log 1/day; log_kill (T, avatar, drug) log 1/day; draw (T,) index of the
    posterior draw; constants of the model card; detection limit and diameter floor in mm3. `two_clone` kinetics have
    slowing (T, drug) and resistance (T, avatar, drug) scores. The laws of kill have slowing and log_spread (T, avatar,
    drug; 0 where the law has no spread), wander_avatar and deceleration_avatar (T, avatar), eta_combination
    (T, combination), and, of several tumour types, mean_log_r (T, avatar). tumor_types (avatar,), "" where unknown, or
    empty.
    """

    avatars: tuple[str, ...]
    drugs: tuple[str, ...]
    population: dict[str, Floats]
    slowing: Floats
    log_r: Floats
    log_kill: Floats
    resistance: Floats
    draw: NDArray[np.int64]
    constants: dict[str, float]
    detection_limit_mm3: float
    diameter_floor_mm3: float
    kinetics: str = "two_clone"
    log_spread: Floats = field(default_factory=_none)
    wander_avatar: Floats = field(default_factory=_none)
    combinations: tuple[str, ...] = ()
    eta_combination: Floats = field(default_factory=_none)
    mean_log_r: Floats = field(default_factory=_none)
    deceleration_avatar: Floats = field(default_factory=_none)
    deceleration_law: str = "power"
    tumor_types: tuple[str, ...] = ()

    @property
    def growth_centre(self) -> Floats:
        """Mean log growth rate (T, avatar) or (T, 1) of each avatar's population."""
        return self.mean_log_r if self.mean_log_r.size else self.population["mu_r"][:, None]

    def tumor_type_of(self, avatar: str) -> str:
        """Tumour type of an avatar, "" where unknown."""
        return self.tumor_types[self.avatars.index(avatar)] if self.tumor_types else ""

    @property
    def n_trials(self) -> int:
        """Number of replicate trials."""
        return len(self.draw)

    @property
    def weekly_wander(self) -> Floats:
        """Scale (T, avatar) of one week's step of the wander."""
        if self.kinetics in KILL_LAWS:
            return self.wander_avatar
        return np.repeat(self.population["wander"][:, None], len(self.avatars), axis=1)

    @property
    def decelerations(self) -> Floats:
        """Deceleration (T, avatar) of each avatar: its own, or that of all."""
        own = self.deceleration_avatar
        return own if own.size else np.repeat(self.population["deceleration"][:, None], len(self.avatars), 1)

    def of(self, avatars: Sequence[str]) -> Cohort:
        """The same replicates with some of the avatars."""
        place = [self.avatars.index(avatar) for avatar in avatars]
        here = replace(
            self,
            avatars=tuple(avatars),
            log_r=self.log_r[:, place],
            log_kill=self.log_kill[:, place],
            tumor_types=tuple(self.tumor_types[i] for i in place) if self.tumor_types else (),
        )
        if self.kinetics in KILL_LAWS:
            return replace(
                here,
                slowing=self.slowing[:, place],
                log_spread=self.log_spread[:, place],
                wander_avatar=self.wander_avatar[:, place],
                deceleration_avatar=_some(self.deceleration_avatar, place),
                mean_log_r=_some(self.mean_log_r, place),
            )
        return replace(here, resistance=self.resistance[:, place])

    def given(self, arm: str) -> NDArray[np.bool_]:
        """Which drugs (drug,) an arm gives. Raises InputError for a drug the posterior does not know."""
        return given_drugs(arm, self.drugs)


def given_drugs(arm: str, drugs: Sequence[str]) -> NDArray[np.bool_]:
    """Which of `drugs` (drug,) an arm gives, case ignored. Raises InputError for a drug that is none of them."""
    chosen, known = drugs_of(arm), {drug.casefold() for drug in drugs}
    unknown = [drug for drug in chosen if drug.casefold() not in known]
    if unknown:
        what = f"arm {arm!r}: the posterior knows nothing of {', '.join(unknown)}"
        raise InputError(Problem("D90", "error", what, f"Known drugs: {', '.join(drugs)}"))
    folded = {drug.casefold() for drug in chosen}
    return np.array([drug.casefold() in folded for drug in drugs], dtype=bool)


def chosen_draws(n_draws: int, n_trials: int, seed: int, *names: str) -> NDArray[np.int64]:
    """Which draw (T,) each replicate trial has: at random, none twice while others are left; `names` of the stream."""
    rng = stream(seed, "posterior draws", *names)
    rounds = [rng.permutation(n_draws) for _ in range(-(-n_trials // n_draws))]
    return np.concatenate(rounds)[:n_trials].astype(np.int64)


def cohort_from_posterior(
    tree: xr.DataTree,
    n_trials: int,
    *,
    seed: int,
    avatars: Sequence[str] | None = None,
    tumor_types: Sequence[str] | None = None,
) -> Cohort:
    """The calibrated avatars, one posterior draw a replicate trial; those of the tumour types chosen, where told.

    Draws are chosen without repetition while they last. Raises InputError for avatars or types the posterior does not
    have.
    """
    posterior = tree["posterior"].to_dataset()
    n_draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    chosen = chosen_draws(n_draws, n_trials, seed)

    constants = json.loads(tree.attrs["constants"])
    fixed = fixed_parameters(constants)

    def drawn(name: str, *dims: str) -> Floats:
        if name in fixed:
            return np.full((n_trials, *(posterior.sizes[dim] for dim in dims)), fixed[name])
        values = (
            posterior[name].transpose("chain", "draw", "avatar", "drug", ..., missing_dims="ignore").values
        )
        flat: Floats = values.reshape((n_draws, *values.shape[2:]))[chosen]
        return flat

    def of_each(name: str) -> Floats:
        """Each avatar's own under a law of kill; the common one where the card fixes it or the posterior is older."""
        if law is None:
            return _none()
        if f"{name}_avatar" in posterior:
            return drawn(f"{name}_avatar")
        return np.repeat(drawn(name)[:, None], posterior.sizes["avatar"], axis=1)

    observation = json.loads(tree.attrs["observation"])
    kinetics = str(tree.attrs.get("kinetics", "two_clone"))
    law = KILL_LAWS.get(kinetics)
    of_drug = ("avatar", "drug") if law else ("drug",)
    log_kill = drawn("log_kill")
    cohort = Cohort(
        avatars=tuple(str(name) for name in posterior["avatar"].values),
        drugs=tuple(str(name) for name in posterior["drug"].values),
        population={name: drawn(name) for name in scalars_of(kinetics)},
        slowing=drawn("slowing", *of_drug),
        log_r=drawn("log_r"),
        log_kill=log_kill,
        resistance=_none() if law else drawn("resistance"),
        draw=chosen,
        constants=constants,
        detection_limit_mm3=observation["detection_limit_mm3"],
        diameter_floor_mm3=observation["diameter_floor_mm3"],
        kinetics=kinetics,
        log_spread=_spread_of(law, drawn, log_kill),
        wander_avatar=of_each("wander"),
        deceleration_avatar=of_each("deceleration"),
        deceleration_law=str(tree.attrs.get("deceleration_law", "power")),
        combinations=tuple(str(name) for name in posterior["combination"].values)
        if "eta_combination" in posterior
        else (),
        eta_combination=drawn("eta_combination") if "eta_combination" in posterior else _none(),
        mean_log_r=drawn("mu_r_type")[:, _type_places(tree)] if "mu_r_type" in posterior else _none(),
        tumor_types=tuple(_types(tree)[str(name)] for name in posterior["avatar"].values)
        if _knows_types(tree)
        else (),
    )
    if avatars is None and tumor_types is not None and _knows_types(tree):
        avatars = _of_types(tree, tumor_types)
    if avatars is None:
        return cohort
    unknown = [avatar for avatar in avatars if avatar not in cohort.avatars]
    if unknown:
        raise InputError(
            Problem(
                "D91",
                "error",
                f"avatars not in the posterior: {', '.join(unknown[:5])}",
                "Choose calibrated ones",
            )
        )
    return cohort.of(avatars)


def _spread_of(law: KillLaw | None, drawn: Callable[..., Floats], log_kill: Floats) -> Floats:
    if law is None:
        return _none()
    return drawn("log_spread") if law.spreads else np.zeros(log_kill.shape)


def _knows_types(tree: xr.DataTree) -> bool:
    """Whether a posterior says of what tumour types its avatars are: older ones, and tables without types, do not."""
    recorded = "constant_data" in tree.children and "tumor_type_of" in tree["constant_data"].to_dataset()
    return recorded and any(_types(tree).values())


def _types(tree: xr.DataTree) -> dict[str, str]:
    """Tumour type of every calibrated avatar."""
    of_avatar = tree["constant_data"].to_dataset()["tumor_type_of"]
    return {str(avatar): str(name) for avatar, name in of_avatar.to_series().items()}


def _type_places(tree: xr.DataTree) -> NDArray[np.int64]:
    """Place (avatar,) of each avatar's tumour type among the posterior's."""
    known = [str(name) for name in tree["posterior"].to_dataset()["tumor_type"].values]
    return np.array([known.index(name) for name in _types(tree).values()])


def _of_types(tree: xr.DataTree, tumor_types: Sequence[str]) -> list[str]:
    types = _types(tree)
    known = {name.casefold() for name in types.values()}
    unknown = [name for name in tumor_types if name.casefold() not in known]
    if unknown:
        what = f"the posterior has no avatars of tumour type {', '.join(unknown)}"
        raise InputError(Problem("D92", "error", what, f"It has {', '.join(sorted(set(types.values())))}"))
    wanted = {name.casefold() for name in tumor_types}
    return [avatar for avatar, name in types.items() if name.casefold() in wanted]
