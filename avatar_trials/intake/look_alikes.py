"""Names that look the same and are not: letters of other alphabets, wide letters, dashes for hyphens."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from avatar_trials.intake.findings import Findings, some

# Capital and small letters that print as a Latin one, in the order of LATIN.
LATIN = "ABCEHIJKMOPSTXYaceijopsxy" + "ABEZHIKMNOPTYXov"
OTHERS = "АВСЕНІЈКМОРЅТХУасеіјорѕху" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧον"
DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
PRINTS_AS = str.maketrans(OTHERS, LATIN) | DASHES


def skeleton(name: str) -> str:
    """What a name looks like: two names with one skeleton cannot be told apart in print, but for case."""
    return unicodedata.normalize("NFKC", name).translate(PRINTS_AS).casefold()


def tell_look_alikes(names: Sequence[str], lines: Sequence[int], column: str, findings: Findings) -> None:
    """A warning for every group of names that differ, not only in case, and look the same."""
    first: dict[str, int] = {}
    for name, line in zip(names, lines, strict=True):
        first.setdefault(name, line)
    alike: dict[str, dict[str, str]] = defaultdict(dict)
    for name in filter(None, first):
        alike[skeleton(name)].setdefault(name.casefold(), name)
    for group in alike.values():
        if len(group) < 2:
            continue
        one, *others = group.values()
        places = some(f"{name!r} ({_odd(name)}line {first[name]})" for name in (one, *others))
        what = f"names that look the same are read as different ones: {places}"
        fix = "Write one, in letters and hyphens of the keyboard, if they are one"
        findings.warning("M43", what, fix, line=first[others[0]], column=column)


def _odd(name: str) -> str:
    """Code points of what is not ASCII."""
    odd = list(dict.fromkeys(f"U+{ord(char):04X}" for char in name if ord(char) > 127))
    return f"{some(odd)}, " if odd else ""
