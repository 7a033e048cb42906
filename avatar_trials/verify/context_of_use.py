"""The context-of-use (credibility) card: what the program may be used for, on what evidence, what it does not claim.

Terms of ASME V&V 40 and ICH M15. Every piece of evidence is quoted from a page of record that travels with the program.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from avatar_trials.card_files import load_model
from avatar_trials.verify.comparison import Comparisons, holds

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_CARD: Final = "context_of_use.toml"
Text = Annotated[str, Field(min_length=1)]
Kind = Literal[
    "verification", "validation in sample", "validation held out", "validation external", "uncertainty"
]


class Quoted(BaseModel):
    """A statement and where it is recorded, word for word."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    page: Text
    quote: Text


class Evidence(Quoted):
    """What was found of a model and a readout, and whether that supports the context of use.

    `card` and the start of its sha256, where the page names it: the evidence is of that very card.
    """

    model: Text
    card: str = ""
    card_sha256: str = ""
    readout: Text
    kind: Kind
    finding: Text
    status: Literal["supports", "limited", "fails"]


class NotClaimed(Quoted):
    """What nobody may conclude."""

    claim: Text


class ContextOfUse(BaseModel):
    """The whole card."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    question: Text
    context: Text
    influence: Text
    consequence: Text
    risk: Text
    outside: tuple[Text, ...]
    evidence: tuple[Evidence, ...]
    not_claimed: tuple[NotClaimed, ...]


def context_of_use() -> ContextOfUse:
    """The card of this version."""
    text = resources.files("avatar_trials.verify").joinpath(_CARD).read_text("utf-8")
    return ContextOfUse.model_validate(tomllib.loads(text))


def page_of_record(page: str) -> str:
    """A page's words, one space between them; "" where there is no such page."""
    for place in (_PACKAGE / "_library", _PACKAGE.parent):
        if (place / page).is_file():
            return " ".join((place / page).read_text("utf-8").split())
    return ""


def everything() -> Comparisons:
    """Every quotation stands on its page, and evidence of a card is of the card that is shipped."""
    card = context_of_use()
    told: list[tuple[Quoted, str]] = [(one, one.finding) for one in card.evidence]
    for one, about in [*told, *((each, each.claim) for each in card.not_claimed)]:
        found = " ".join(one.quote.split()) in page_of_record(one.page)
        yield holds(f"{one.page}: {about}", found, "" if found else f"not on the page: {one.quote}")
    for each in card.evidence:
        if each.card:
            now = load_model(each.card).sha256
            same = now.startswith(each.card_sha256) and each.card_sha256 in page_of_record(each.page)
            note = f"on record {each.card_sha256}, shipped {now[:12]}"
            yield holds(f"{each.readout}: evidence of the card {each.card} that is shipped", same, note)
