"""Journey: every reading of a disputed definition has a page that says what it is, out of the code's own docstrings."""

from __future__ import annotations

from avatar_trials import endpoints
from tools.endpoint_pages import CHOICES, MEASURES, documented, pages, passages


def test_every_named_variant_has_a_page_that_says_what_it_is() -> None:
    chosen = {choice.variants for choice in CHOICES}
    assert {name for name in dir(endpoints) if name.endswith(("_VARIANTS", "RULES"))} <= chosen
    made = pages()
    for choice in CHOICES:
        for variant in getattr(endpoints, choice.variants):
            said = passages(choice, variant)
            assert said, f"no docstring of {choice.places} has a passage `{variant}`: ..."
            page = made[f"{choice.slug}-{variant}"]
            assert all(passage.rstrip(".") in page for _, passage in said)


def test_a_passage_is_that_of_its_own_variant() -> None:
    rule, doubling = CHOICES[:2]
    (best, average) = (text for _, text in passages(rule, "gao2015_text"))
    assert best.startswith("the least change at day 10 or later")
    assert average == "over visits at day 10 or later."
    ((_, linear),) = passages(doubling, "pct_sheet")
    assert "linearly" in linear
    assert "logarithm" not in linear


def test_every_measure_is_a_documented_function() -> None:
    for places in MEASURES.values():
        assert all(callable(documented(place)) and documented(place).__doc__ for place in places)
