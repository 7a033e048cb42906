"""Designs that compare strategies as they arrive: every problem with file, key, value and what would do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_trials.card_files import check_card, compares_strategies, load_design, load_strategies
from avatar_trials.library import find_card, known
from avatar_trials.problems import InputError
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.design_checks import design_checks

GOOD = """\
schema_version = 1
name = "d"
title = "A comparison"
question = "Which strategy?"
seed = 7
n_avatars = 3

[tumour]
source = "assumed"
start_mm3 = 220
growth = 0.05

[tumour.drugs.A]
kill = 0.1

[tumour.drugs.B]
kill = 0.1

[[tumour.clones]]
name = "sensitive"

[[tumour.clones]]
name = "resists A"
share = 0.01
drivers = [{ A = 0.0 }]

[[strategies]]
name = "A, then B"
rule = { kind = "sequential", lines = ["A", "B"] }

[[strategies]]
name = "both"
rule = { kind = "constant", arm = "A + B" }

[visits]
gaps_days = [7]
horizon_days = 70

[stopping]
size_mm3 = 1500

[scoring]
progression = "recist_volume"
resamples = 50
"""

BAD = {
    "unknown drug in a rule": ('arm = "A + B"', 'arm = "A + C"', ["'C'", "A, B"]),
    "unknown kind of rule": ('kind = "constant"', 'kind = "clever"', ["clever", "sequential"]),
    "a rule without its arm": ('kind = "constant", arm = "A + B"', 'kind = "constant"', ["is missing"]),
    "a key too much": ('arm = "A + B"', 'arm = "A + B", arms = 2', ["unknown key arms"]),
    "one line of treatment": ('lines = ["A", "B"]', 'lines = ["A"]', ["at least 2"]),
    "a dose above 1": ('arm = "A + B"', 'arm = "A + B", dose = 1.5', ["less than or equal to 1", "1.5"]),
    "a dose of nothing": ('arm = "A + B"', 'arm = "A + B", dose = 0', ["greater than 0"]),
    "a dose in words": ('arm = "A + B"', 'arm = "A + B", dose = "half"', ["expected a number", "half"]),
    "two strategies of one name": ('name = "both"', 'name = "a, then b"', ["two strategies", "'A, then B'"]),
    "plasma decides and is not taken": (
        'kind = "constant", arm = "A + B"',
        'kind = "residual_disease", first = "A", then = "B", below_molecules = 3',
        ["decides by plasma", "[monitoring]"],
    ),
    "a comparator without its perfect assay": (
        'kind = "constant", arm = "A + B"',
        'kind = "current_precision"',
        ["decides by census", "[monitoring]"],
    ),
    "doses for other drugs": (
        'kind = "constant", arm = "A + B"',
        'kind = "dynamic_precision", doses = [[1, 0, 0]]',
        ["has doses [1.0, 0.0, 0.0]", "2 drugs"],
    ),
    "residual disease without a limit": (
        'kind = "constant", arm = "A + B"',
        'kind = "residual_disease", first = "A", then = "B"',
        ["needs below_mm3"],
    ),
    "a mutation of no clone": (
        'kind = "constant", arm = "A + B"',
        'kind = "mutation", first = "A", answers = { T790M = "B" }',
        ["'T790M'", "resists A", "plasma"],
    ),
    "adaptive limits crossed": (
        'kind = "constant", arm = "A + B"',
        'kind = "adaptive", arm = "A", stop_at = 1.0, restart_at = 0.5',
        ["stop_at 1", "below restart_at 0.5"],
    ),
    "a sensitivity to no drug": ("{ A = 0.0 }", "{ Z = 0.0 }", ["'Z'", "A, B"]),
    "a share above 1": ("share = 0.01", "share = 1.4", ["between 0 and 1", "1.4"]),
    "no share": ("share = 0.01\n", "", ["resists A", "has one"]),
    "a negative kill": (
        "[tumour.drugs.B]\nkill = 0.1",
        "[tumour.drugs.B]\nkill = -0.1",
        ["drugs.B.kill", "above 0", "-0.1"],
    ),
    "growth that is not a number": ("growth = 0.05", "growth = nan", ["finite"]),
    "a mutation to nowhere": (
        '[[strategies]]\nname = "both"',
        '[[tumour.mutations]]\nsource = "sensitive"\nto = "nowhere"\nrate = 1e-8\n\n[[strategies]]\nname = "both"',
        ["'nowhere'", "sensitive, resists A"],
    ),
    "no such progression": ('"recist_volume"', '"recist"', ["recist_volume", "'recist'"]),
    "a reference that is none": ("resamples = 50", 'resamples = 50\nreference = "C"', ["'C'", "A, then B"]),
    "no visits": ("gaps_days = [7]", "gaps_days = []", ["at least 0.25"]),
    "no avatars": ("n_avatars = 3", "n_avatars = 0", ["greater than or equal to 1"]),
    "biopsies of no clone": (
        "[stopping]",
        '[monitoring.biopsy]\nregions = 2\npresence = { MET = 0.2 }\nsource = "x"\n\n[stopping]',
        ["'MET'", "resists A"],
    ),
    "a part of no clone": (
        'name = "resists A"\n',
        'name = "resists A"\npart_of = "sensitive"\n',
        ["'resists A'", "part of 'sensitive'", "there is none"],
    ),
    "a part with a cost of its own": (
        '[[strategies]]\nname = "both"',
        '[[tumour.clones]]\nname = "p"\nshare = 0.1\npart_of = "resists A"\nfitness_cost = 0.2\n\n'
        '[[strategies]]\nname = "both"',
        ["'p'", "fitness_cost", "'resists A'"],
    ),
    "a share of failures above 1": (
        "[tumour.drugs.B]\nkill = 0.1",
        "[tumour.drugs.B]\nkill = 0.1\nfails_in = 7",
        ["less than or equal to 1", "7"],
    ),
    "a fold of no drug": (
        "[[strategies]]",
        "[tumour.persistence]\ninduced = 0.01\nwoken = 0.1\ninduced_fold = { C = 2 }\n\n[[strategies]]",
        ["persistence.induced_fold", "'C'", "A, B"],
    ),
    "a share by a law beyond shares": (
        "share = 0.01",
        'share = { distribution = "logitnormal", location = 1.2, scale = 1, unit = "1", meaning = "m", source = "s" }',
        ["between 0 and 1", "1.2"],
    ),
    "a check of no strategy": (
        "[stopping]",
        '[[checks]]\nwhat = "w"\nstrategy = "C"\nendpoint = "drug_days"\nleast = 1\nbasis = "assumed"\nsource = "s"\n'
        "\n[stopping]",
        ["'C'", "A, then B"],
    ),
    "a check without limits": (
        "[stopping]",
        '[[checks]]\nwhat = "w"\nstrategy = "both"\nendpoint = "drug_days"\nbasis = "assumed"\nsource = "s"\n\n'
        "[stopping]",
        ["needs least, most"],
    ),
    "a landmark in the past": (
        "resamples = 50",
        "resamples = 50\nlandmarks_days = [-3]",
        ["greater than 0", "-3"],
    ),
    "weights in disorder": (
        "[stopping]",
        '[toxicity]\nhold_at_loss_pct = 25\nsource = "x"\n\n[stopping]',
        ["resume_at_loss_pct <= hold_at_loss_pct"],
    ),
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "card.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_design_these_are_made_of_is_good(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert check_card(path) == []
    assert compare_strategies(load_strategies(path)).sizes["strategy"] == 2


@pytest.mark.parametrize("case", BAD)
def test_a_bad_design_is_refused_in_words(case: str, tmp_path: Path) -> None:
    old, new, words = BAD[case]
    assert GOOD.count(old) >= 1
    path = written(tmp_path, GOOD.replace(old, new, 1))
    problems = check_card(path)
    assert problems
    with pytest.raises(InputError) as refused:
        load_strategies(path)
    told = str(refused.value)
    assert "card.toml" in told
    assert [word for word in words if word not in told] == [], told
    assert all(problem.severity == "error" for problem in problems)


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('arm = "A + B"', 'arm = "A + B", dose = 2').replace("n_avatars = 3", "n_avatars = -1")
    problems = check_card(written(tmp_path, text))
    assert {problem.column.split(".")[0] for problem in problems} == {"strategies", "n_avatars"}
    assert all(problem.line for problem in problems)


def test_each_kind_of_design_says_what_it_is_for(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(InputError, match="compare-strategies"):
        load_design(path)
    with pytest.raises(InputError, match="melanoma_preemptive_vs_sequential"):
        load_strategies("melanoma_braf_mek")


def test_drawn_shares_of_more_than_everything_are_refused(tmp_path: Path) -> None:
    law = (
        'share = { distribution = "lognormal", location = 0.9, scale = 1.0, by = "avatar", unit = "share", '
        'meaning = "x", source = "x" }'
    )
    path = written(tmp_path, GOOD.replace("share = 0.01", law).replace("n_avatars = 3", "n_avatars = 50"))
    with pytest.raises(InputError, match="shares of the clones add up to") as refused:
        compare_strategies(load_strategies(path))
    assert refused.value.problems[0].code == "D93"


def test_shares_that_are_too_many_are_scaled_only_where_a_card_says_so(tmp_path: Path) -> None:
    parts = '[[tumour.clones]]\nname = "{}"\nshare = 0.6\npart_of = "resists A"\n\n'
    crowd = GOOD.replace("share = 0.01", "share = 0.5", 1).replace(
        "[[strategies]]", parts.format("x") + parts.format("y") + "[[strategies]]", 1
    )
    with pytest.raises(InputError, match="parts of a clone add up to more"):
        compare_strategies(load_strategies(written(tmp_path, crowd)))


def test_a_check_of_no_endpoint_is_refused_with_those_there_are(tmp_path: Path) -> None:
    check = '[[checks]]\nwhat = "w"\nstrategy = "both"\nendpoint = "cured"\nleast = 1\n'
    check += 'basis = "assumed"\nsource = "s"\n'
    design = load_strategies(written(tmp_path, GOOD.replace("[stopping]", check + "\n[stopping]")))
    scores, _ = score_strategies(compare_strategies(design), design.reference, resamples=50)
    with pytest.raises(InputError, match="no endpoint 'cured'") as refused:
        design_checks(design, scores)
    assert "eradicated_share" in refused.value.problems[0].fix


def test_the_librarys_designs_are_good() -> None:
    for name in (name for name in known("trial_designs") if compares_strategies(name)):
        assert check_card(find_card("trial_designs", name)) == []
        assert "assumed" in load_strategies(name).words
