"""Linear differential equations to 50 digits, in decimals: an oracle that shares nothing with the code it judges."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

Numbers = Sequence[Sequence[float]]


def evolved(matrix: Numbers, start: Sequence[float], days: float) -> list[Decimal]:
    """x(days) of x' = A x by small Taylor steps; entries of `matrix` (to, from) are taken as the floats they are."""
    with localcontext(prec=50):
        a = [[Decimal(float(entry)) for entry in row] for row in matrix]
        norm = max(sum(abs(entry) for entry in row) for row in a) * Decimal(float(days))
        steps = max(1, int(norm * 4) + 1)
        dt = Decimal(float(days)) / steps
        x = [Decimal(float(value)) for value in start]
        for _ in range(steps):
            term, total, n = x, x, 0
            while any(term) and n < 40:
                n += 1
                term = [
                    sum((r * t for r, t in zip(row, term, strict=True)), Decimal(0)) * dt / n for row in a
                ]
                total = [old + new for old, new in zip(total, term, strict=True)]
            x = total
        return x


def relative_error(found: Sequence[float], truth: Sequence[Decimal]) -> float:
    """Largest relative deviation; what is truly 0, or below the smallest double, must be found below it too."""
    worst = 0.0
    for value, exact in zip(found, truth, strict=True):
        if exact < Decimal("1e-300"):
            worst = max(worst, 0.0 if value < 1e-299 else 1.0)
        else:
            worst = max(worst, abs(float((Decimal(float(value)) - exact) / exact)))
    return worst
