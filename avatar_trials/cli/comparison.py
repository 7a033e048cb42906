"""Model cards to be compared: made alike, and calibrated to the same mice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from avatar_trials.card_files import load_model
from avatar_trials.cli.flow import Say, calibrated, read_posterior, volumes_for
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem


def cards_alike(names: Sequence[str], design_path: Path | None) -> list[ModelCard]:
    """Model cards by name or path, made to see the same mice and visits.

    The earliest last day of any is that of all, and so is the narrowest range of starting volumes. Raises InputError
    where two have the same name, or calipers that differ in their detection limit.
    """
    cards = [load_model(name, beside=design_path.parent if design_path else None) for name in names]
    twice = sorted({card.name for card in cards if [other.name for other in cards].count(card.name) > 1})
    limits = {card.observation.detection_limit_mm3 for card in cards}
    problems = [
        Problem("C112", "error", f"model card {name} is named twice", "Name it once") for name in twice
    ]
    if len(limits) > 1:
        what = (
            f"the cards' detection limits differ: {', '.join(f'{limit:g}' for limit in sorted(limits))} mm3"
        )
        problems.append(Problem("C113", "error", what, "Readings below them would not be the same data"))
    if problems:
        raise InputError(problems)
    alike = {name: _strictest(cards, name) for name in ("last_day", "start_within_factor")}
    return [
        card.model_copy(update={"observation": card.observation.model_copy(update=alike)}) for card in cards
    ]


def _strictest(cards: Sequence[ModelCard], name: str) -> float | None:
    """The smallest of what the cards' observations give as `name`, None where none gives it."""
    return min(
        (value for card in cards if (value := getattr(card.observation, name)) is not None), default=None
    )


def posteriors_to_compare(
    design: TrialDesign,
    cards: Sequence[ModelCard],
    files: Sequence[Path],
    volumes: Path | None,
    folder: Path,
    *,
    say: Say,
) -> dict[str, xr.DataTree]:
    """Posterior of each card, calibrated and written to `folder` as NAME.nc, and those of files, by card name."""
    trees = {}
    for file in files:
        tree = read_posterior(file, allow_unconverged=True)
        trees[str(tree.attrs["model_card"])] = tree
    if len({*trees, *(card.name for card in cards)}) < max(2, len(files) + len(cards)):
        what = "two posteriors of different model cards or more can be compared"
        raise InputError(
            Problem("C114", "error", what, "Name model cards with --models, files with --posteriors")
        )
    if cards:
        table = volumes_for(design, volumes)
        _require_one_type(table, cards)
        for card in cards:
            say(f"model card {card.name}")
            trees[card.name] = calibrated(table, design, card, folder / f"{card.name}.nc", say=say)
    return trees


def _require_one_type(table: GrowthTable, cards: Sequence[ModelCard]) -> None:
    """Raise InputError, before an hour of sampling, for cards that would have to be compared on several types."""
    from avatar_trials.kinetics.kill_laws import KILL_LAWS

    if table.avatars["tumor_type"].str.casefold().nunique() > 1 and any(
        card.kinetics in KILL_LAWS for card in cards
    ):
        what = "cards are compared on one tumour type at a time, and the design has several"
        raise InputError(Problem("E90", "error", what, "Name a design of one tumour type"))
