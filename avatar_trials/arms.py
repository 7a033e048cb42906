"""Arms are sets of drugs: `B + A` and `A + B` are one arm, written `A + B`; the arm without a drug is `untreated`."""

from __future__ import annotations

UNTREATED = "untreated"


def drugs_of(arm: str) -> tuple[str, ...]:
    """The drugs of an arm, sorted without regard to case; `()` for the untreated arm.

    Raises ValueError for an empty name, an empty place beside a `+`, a drug named twice, or `untreated` combined with
    a drug.
    """
    drugs = [" ".join(part.split()) for part in arm.split("+")]
    if len(drugs) == 1 and drugs[0].casefold() == UNTREATED:
        return ()
    if "" in drugs:
        raise ValueError(f"arm {arm!r} has no drug name {'beside a +' if len(drugs) > 1 else 'at all'}")
    folded = [drug.casefold() for drug in drugs]
    if UNTREATED in folded:
        raise ValueError(f"arm {arm!r} combines {UNTREATED} with a drug")
    twice = sorted({drug for drug in drugs if folded.count(drug.casefold()) > 1}, key=str.casefold)
    if twice:
        raise ValueError(f"arm {arm!r} names the drug {twice[0]} twice")
    return tuple(sorted(drugs, key=lambda drug: (drug.casefold(), drug)))


def canonical_arm(text: str) -> str:
    """The one spelling of an arm: drugs sorted without regard to case and joined by ` + `.

    Raises ValueError as `drugs_of` does.
    """
    return " + ".join(drugs_of(text)) or UNTREATED
