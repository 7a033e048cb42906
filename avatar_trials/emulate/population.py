"""Populations: what a posterior knows of avatars in general and of none by name, and new avatars drawn from it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.emulate.cohort import Cohort, chosen_draws
from avatar_trials.emulate.hierarchy import Population, avatar_deviates, drawn_cohort, needed_of
from avatar_trials.emulate.mice import Luck, luck
from avatar_trials.model_cards import KINETICS, fixed_parameters
from avatar_trials.problems import InputError, Problem, together
from avatar_trials.stamp import StampError, read_stamp

Floats = NDArray[np.float64]

DRAWS = 500
OF_INDIVIDUALS = {"avatar", "each_avatar", "mouse", "curve", "untreated", "treated", "obs"}
OF_A_TYPE = "_type"
KEPT_ATTRS = (
    *("kinetics", "model_card", "card_sha256", "data_sha256", "synthetic"),
    *("constants", "observation", "arms", "deceleration_law"),
)
FACTS = (
    *("constants", "observation", "cohort", "gates", "synthetic"),
    *("model_card", "card_sha256", "data_sha256"),
)
COUNTING_NOTICES = ("N01", "N02", "N03", "V02")
UNKNOWN = ""


def population_of(tree: xr.DataTree, *, biomarker_share: float | None = None) -> xr.Dataset:
    """The population parameters of a posterior, about 500 draws evenly over its chains, in single precision.

    Dims draw, then drug, combination or tumor_type; coordinate draw is the place among the posterior's draws, chains
    end to end. Nothing of a single avatar or mouse: no level, no name, no volume. Attributes: the posterior's, its
    gates and notices without the names in them, and `cohort` (JSON), by tumour type (empty where it is not known):
    number of avatars, drugs given, and share with the biomarker where the hierarchy has one. `biomarker_share` is for
    a posterior that does not record it.

    Raises StampError for a posterior that did not pass its gates, InputError where the share is missing.
    """
    kinetics = str(tree.attrs.get("kinetics", "two_clone"))
    gates = json.loads(tree.attrs["gates"])
    if not read_stamp(tree).get("gates_passed", "stamp" not in tree.attrs) or not all(gates["passed"]):
        raise StampError(
            "this posterior did not pass its convergence gates: no population is made of it. Calibrate with more "
            "draws or another model card."
        )
    posterior = tree["posterior"].to_dataset()
    n_draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    places = np.unique(np.linspace(0, n_draws - 1, min(DRAWS, n_draws)).round().astype(np.int64))
    result = _parameters(posterior, kinetics).isel(draw=places).astype(np.float32)
    kept = list(result.data_vars)
    for name in kept:
        result[name].attrs = dict(posterior[name].attrs)
    result.attrs = {name: tree.attrs[name] for name in KEPT_ATTRS if name in tree.attrs} | {
        "kinetics": kinetics,
        "gates": json.dumps(gates | {"worst": [""] * len(gates["passed"])}),
        "notices": json.dumps([_nameless(notice) for notice in json.loads(tree.attrs["notices"])]),
        "cohort": json.dumps(_cohort_facts(tree, "biomarker_kill" in kept, biomarker_share)),
    }
    return result


def _parameters(posterior: xr.Dataset, kinetics: str) -> xr.Dataset:
    """What a posterior's draws say of avatars in general, chains end to end along draw."""
    named = [*KINETICS[kinetics][0], "eta_combination"]
    wanted = {*named, *(f"{name}{OF_A_TYPE}" for name in named)}
    kept = [
        name
        for name in posterior.data_vars
        if name in wanted and OF_INDIVIDUALS.isdisjoint(map(str, posterior[name].dims))
    ]
    flat = posterior[kept].stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)
    flat = flat.drop_vars(["chain", "draw"], errors="ignore").rename(sample="draw")
    return flat.assign_coords(draw=np.arange(flat.sizes["draw"]))


def hierarchy_behind(
    source: xr.DataTree | xr.Dataset,
    cohort: Cohort,
    *,
    tumor_type: str | Sequence[str],
    seed: int,
    biomarker_share: float | None = None,
) -> tuple[Population, Floats]:
    """What the avatars of a cohort were drawn from: (hierarchy at the cohort's own draws, carriers (T or 1, avatar)).

    `source` is the posterior or the population the cohort is from; seed and share are those it was drawn with. Raises
    InputError where the source has several tumour types and none is chosen.
    """
    if isinstance(source, xr.DataTree):
        kinetics = str(source.attrs.get("kinetics", "two_clone"))
        parameters = _parameters(source["posterior"].to_dataset(), kinetics)
        parameters.attrs = source.attrs | {"kinetics": kinetics}
        types = [tumor_type] if isinstance(tumor_type, str) else list(tumor_type)
        if "tumor_type" in parameters.dims:
            types = _known_types(tumor_type, list(_names(parameters, "tumor_type")))
        carriers = np.zeros((1, len(cohort.avatars)))
        recorded = (
            source["constant_data"].to_dataset() if "constant_data" in source.children else xr.Dataset()
        )
        if "biomarker_of" in recorded:
            known = [str(name) for name in recorded["each_avatar"].values]
            carriers = (
                recorded["biomarker_of"]
                .values[[known.index(name) for name in cohort.avatars]][None, :]
                .astype(float)
            )
        return _drawn(_of_type(parameters, types), cohort.draw), carriers
    types, share, _ = _asked(source, tumor_type, biomarker_share)
    return _drawn(_of_type(source, types), cohort.draw), _carriers(
        cohort.avatars, cohort.n_trials, luck(seed, "new avatars"), share
    )


def check_population(population: xr.Dataset, name: str) -> None:
    """Raise StampError, with all that is missing, where avatars cannot be drawn from a population.

    It has the attributes FACTS, draws, and every parameter that its kinetics need, finite everywhere.
    """
    kinetics = str(population.attrs.get("kinetics", ""))
    if kinetics not in KINETICS:
        raise StampError(f"{name}: kinetics {kinetics!r} are not known here. Update the program.")
    lacking = [fact for fact in FACTS if fact not in population.attrs]
    lacking += [] if population.sizes.get("draw", 0) else ["draws"]
    needed = needed_of(kinetics, json.loads(population.attrs.get("constants", "{}")))
    lacking += sorted(
        one for one in needed if one not in population and f"{one}{OF_A_TYPE}" not in population
    )
    broken = [str(one) for one in population.data_vars if not np.isfinite(population[one].values).all()]
    told = [f"has no {', '.join(lacking)}"] if lacking else []
    told += [f"has no numbers in places of {', '.join(broken)}"] if broken else []
    if told:
        raise StampError(f"{name}: the population {' and '.join(told)}. Make it again from its posterior.")


def provenance(population: xr.Dataset) -> str:
    """Where a population is from, in words."""
    attrs = population.attrs
    avatars = json.loads(attrs["cohort"])["avatars"]
    counted = ", ".join(f"{n} {kind}".strip() for kind, n in avatars.items())
    source = "SYNTHETIC" if int(attrs["synthetic"]) else "measured"
    return (
        f"calibrated on {counted} avatars and {population.sizes['drug']} drugs, {source} volumes "
        f"{attrs['data_sha256'][:12]}, model card {attrs['model_card']} {attrs['card_sha256'][:12]}, "
        f"{population.sizes['draw']} draws"
    )


def untried_drugs(population: xr.Dataset, tumor_type: str | Sequence[str], arms: Sequence[str]) -> list[str]:
    """Drugs of `arms` that no calibrated avatar of the tumour type was given: other types alone tell of them."""
    given = json.loads(population.attrs["cohort"])["drugs"]
    asked = [tumor_type] if isinstance(tumor_type, str) else list(tumor_type)
    wanted = {UNKNOWN, *(name.casefold() for name in asked)}
    tried = {drug.casefold() for kind, drugs in given.items() if kind.casefold() in wanted for drug in drugs}
    named = {drug for arm in arms for drug in drugs_of(arm)}
    return sorted((drug for drug in named if drug.casefold() not in tried), key=str.casefold)


def cohort_from_population(
    population: xr.Dataset,
    n_trials: int,
    *,
    seed: int,
    tumor_type: str | Sequence[str],
    n_avatars: int | None = None,
    biomarker_share: float | None = None,
) -> Cohort:
    """New avatars POP-001 and on: each replicate trial has its own joint draw and its own avatars drawn from it.

    POP-001 of two replicates are two tumours. Every avatar has its own streams: more avatars or more trials leave the
    others' numbers as they were. `n_avatars` and `biomarker_share` (each avatar a carrier with that probability) are
    by default those of the avatars that were calibrated. Of a population with tumour types `tumor_type` is chosen,
    case ignored.

    Raises InputError, with both, for a type the population does not have and for a share where it knows no biomarker.
    """
    return cohort_of_draws(
        population,
        chosen_draws(population.sizes["draw"], n_trials, seed),
        luck(seed, "new avatars"),
        tumor_type=tumor_type,
        n_avatars=n_avatars,
        biomarker_share=biomarker_share,
    )


def cohort_of_draws(
    population: xr.Dataset,
    chosen: NDArray[np.int64],
    of_avatar: Luck,
    *,
    tumor_type: str | Sequence[str],
    n_avatars: int | None = None,
    biomarker_share: float | None = None,
) -> Cohort:
    """`cohort_from_population` of the draws (T,) `chosen`, with the streams of `of_avatar`."""
    types, share, total = _asked(population, tumor_type, biomarker_share)
    of_type = _of_type(population, types)
    names = [f"POP-{number:03d}" for number in range(1, (n_avatars or total) + 1)]
    carriers = _carriers(names, len(chosen), of_avatar, share)
    cohort = drawn_cohort(
        _drawn(of_type, chosen), names, carriers, avatar_deviates(names, len(chosen), of_avatar)
    )
    return replace(cohort, tumor_types=(types[0],) * len(names)) if len(types) == 1 else cohort


def _asked(
    population: xr.Dataset, tumor_type: str | Sequence[str], biomarker_share: float | None
) -> tuple[list[str], float, int]:
    """Tumour types as the population spells them, share of carriers, number of calibrated avatars of these types."""
    facts = json.loads(population.attrs["cohort"])
    known = sorted({*facts["avatars"], *_names(population, "tumor_type")} - {UNKNOWN})
    types, _ = together(
        lambda: _known_types(tumor_type, known),
        lambda: _require_biomarker(facts["biomarker_share"], biomarker_share),
    )
    total = sum(n for kind, n in facts["avatars"].items() if kind in (*types, UNKNOWN))
    share = share_of_carriers(population, types) if biomarker_share is None else biomarker_share
    return types, share or 0.0, total


def _carriers(names: Sequence[str], n_trials: int, of_avatar: Luck, share: float) -> Floats:
    chances = np.stack([of_avatar(name, "biomarker").random(n_trials) for name in names], axis=1)
    return (chances < share).astype(float)


def share_of_carriers(population: xr.Dataset, tumor_type: str | Sequence[str]) -> float | None:
    """Share of the calibrated avatars of a tumour type that have the biomarker; None where there is none."""
    facts = json.loads(population.attrs["cohort"])
    shares = facts["biomarker_share"]
    if shares is None:
        return None
    wanted = {name.casefold() for name in ([tumor_type] if isinstance(tumor_type, str) else tumor_type)}
    counts = {kind: n for kind, n in facts["avatars"].items() if kind == UNKNOWN or kind.casefold() in wanted}
    total = sum(counts.values())
    return sum(n * shares[kind] for kind, n in counts.items()) / total if total else None


def check_tumor_types(population: xr.Dataset, tumor_types: Sequence[str]) -> None:
    """Raise InputError where a population has no avatars of a tumour type."""
    facts = json.loads(population.attrs["cohort"])
    _known_types(tumor_types, sorted({*facts["avatars"], *_names(population, "tumor_type")} - {UNKNOWN}))


def _drawn(population: xr.Dataset, chosen: NDArray[np.int64]) -> Population:
    observation = json.loads(population.attrs["observation"])
    values = {
        str(name): variable.transpose("draw", ...).values.astype(np.float64)[chosen]
        for name, variable in population.data_vars.items()
    }
    constants = json.loads(population.attrs["constants"])
    values |= {name: np.full(len(chosen), value) for name, value in fixed_parameters(constants).items()}
    return Population(
        kinetics=str(population.attrs["kinetics"]),
        drugs=_names(population, "drug"),
        values=values,
        draw=chosen,
        constants=constants,
        detection_limit_mm3=observation["detection_limit_mm3"],
        diameter_floor_mm3=observation["diameter_floor_mm3"],
        combinations=_names(population, "combination"),
        eta_combination=values.get("eta_combination", np.zeros(0)),
        deceleration_law=str(population.attrs.get("deceleration_law", "power")),
    )


def _known_types(tumor_type: str | Sequence[str], known: list[str]) -> list[str]:
    """The population's spelling of tumour types; those asked for where it has none of its own."""
    asked = [tumor_type] if isinstance(tumor_type, str) else list(tumor_type)
    if not known:
        return asked
    folded = {name.casefold(): name for name in known}
    unknown = [name for name in asked if name.casefold() not in folded]
    if unknown:
        what = f"the population has no avatars of tumour type {', '.join(unknown)}"
        raise InputError(
            Problem("D95", "error", what, f"It has {', '.join(known)}", column="cohort.tumor_type")
        )
    return [folded[name.casefold()] for name in asked]


def _require_biomarker(shares: dict[str, float] | None, asked: float | None) -> None:
    if shares is None and asked is not None:
        what = "the design asks for a biomarker share, and the population was calibrated without a biomarker"
        raise InputError(Problem("D96", "error", what, "Take biomarker_share out of [cohort]"))


def _of_type(population: xr.Dataset, types: list[str]) -> xr.Dataset:
    """The parameters of one tumour type: `mu_r_type` of that type is its `mu_r`."""
    if "tumor_type" not in population.dims:
        return population
    if len(types) > 1:
        what = f"new avatars are drawn of one tumour type at a time; the design names {', '.join(types)}"
        raise InputError(Problem("D95", "error", what, "Name one of them", column="cohort.tumor_type"))
    place = _names(population, "tumor_type").index(types[0])
    one = population.isel(tumor_type=place, drop=True)
    own = {
        str(name).removesuffix(OF_A_TYPE): one[name]
        for name in one.data_vars
        if _is_of_type(population, name)
    }
    return one.assign(own)


def _is_of_type(population: xr.Dataset, name: Any) -> bool:
    return str(name).endswith(OF_A_TYPE) and "tumor_type" in population[name].dims


def _cohort_facts(tree: xr.DataTree, has_biomarker: bool, share: float | None) -> dict[str, Any]:
    avatars = [str(name) for name in tree["posterior"].to_dataset()["avatar"].values]
    data = tree["constant_data"].to_dataset()
    recorded = "tumor_type_of" in data
    types = data["tumor_type_of"].values.astype(str) if recorded else np.full(len(avatars), UNKNOWN)
    kinds = sorted(set(types.tolist()))
    kind_of = dict(zip(avatars, types.tolist(), strict=True))
    given: dict[str, set[str]] = {kind: set() for kind in kinds}
    for avatar, arm in zip(data["avatar"].values, data["arm"].values, strict=True):
        given[kind_of[str(avatar)]] |= set(drugs_of(str(arm)))
    facts: dict[str, Any] = {
        "avatars": {kind: int((types == kind).sum()) for kind in kinds},
        "drugs": {kind: sorted(names, key=str.casefold) for kind, names in given.items()},
        "biomarker_share": None,
    }
    if not has_biomarker:
        return facts
    if share is not None:
        return facts | {"biomarker_share": dict.fromkeys(kinds, share)}
    if "biomarker_of" not in data:
        what = "the posterior has an effect of the biomarker and does not record how many avatars carry it"
        raise InputError(Problem("D97", "error", what, "Give --biomarker-share, or calibrate again"))
    carriers = data["biomarker_of"].values
    return facts | {"biomarker_share": {kind: float(carriers[types == kind].mean()) for kind in kinds}}


def _nameless(notice: str) -> str:
    """A notice without file, place and names: its code, and its count where its kind is known to name nobody."""
    codes = re.findall(r"\[([A-Z]\d+)\] ", notice)
    if len(codes) != 1:
        return ""
    (code,) = codes
    told = notice.partition(f"[{code}] ")[2].partition("(")[0].strip()
    return f"[{code}] {told}" if code in COUNTING_NOTICES else f"[{code}]"


def _names(population: xr.Dataset, dim: str) -> tuple[str, ...]:
    return tuple(str(name) for name in population[dim].values) if dim in population.coords else ()
