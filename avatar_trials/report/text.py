"""Text from outside made safe to show, and numbers as a reader expects them."""

from __future__ import annotations

import math
import unicodedata

# Marks that turn the direction of the text after them: a name must not reorder the page around it.
DIRECTION_MARKS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
NOT_REACHED = "not reached"


def clean(text: object) -> str:
    """`text` on one line, without direction marks; control characters and lone surrogates as escapes."""
    if isinstance(text, str) and text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in str(text).translate(DIRECTION_MARKS))


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters, its middle left out: names of one study differ at their ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def number(value: float, digits: int = 0, *, signed: bool = False) -> str:
    """A number with `digits` decimals and a true minus sign; a dash for NaN, "not reached" for infinity."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return NOT_REACHED if value > 0 else "unbounded"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits, never in exponents between 0.001 and a million."""
    if not math.isfinite(value):
        return number(value)
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 6:
        return number(value, max(0, digits - 1 - exponent))
    return f"{value:.{digits - 1}e}".replace("-", MINUS)


def percent(share: float) -> str:
    """A level such as 0.9 as "90 %"."""
    return f"{100 * share:.6g} %"


def count(n: int, noun: str, plural: str = "") -> str:
    """ "1 mouse", "132 mice"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if char.isspace() and category != "Zs":
        return " "
    if category in ("Cc", "Cs"):
        return char.encode("unicode_escape").decode("ascii")
    return char
