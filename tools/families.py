"""Write models/families.md from the registry of kinetics, or check that it is as the registry says.

uv run python tools/families.py            write
uv run python tools/families.py --check    exit with 1 where the page is not current
"""

from __future__ import annotations

import sys
from pathlib import Path

from avatar_trials.kinetics.families import FAMILIES, MECHANISMS, STOCHASTIC, Family, Parameter
from avatar_trials.kinetics.growth_laws import LAWS

PAGE = Path(__file__).resolve().parent.parent / "models" / "families.md"
HEAD = """# Kinetic families and mechanisms

Written by `tools/families.py` from `avatar_trials/kinetics/families.py` and `growth_laws.py`; a test holds the page to
them. *Known from* says what volumes of one mouse per arm can tell: **calibrated**: a model card fits it;
**identifiable**: formulas run in the sampler and the data can tell the parameters, no card fits it yet; **identifiable
with a withdrawal**: only where drug was stopped in some mice; **simulation only**: volumes under constant treatment
cannot tell it, the numbers are assumed and every result says so.
"""


def parameter(p: Parameter) -> str:
    """One parameter in a cell: name, unit, meaning, default."""
    default = "" if p.default is None else f", default {p.default:g}"
    return f"{p.name} [{p.unit}]: {p.meaning}{default}"


def table(families: tuple[Family, ...] | list[Family]) -> str:
    """One row a family."""
    rows = [
        "| family | what it is | states | parameters | known from | module | card |",
        "|---|---|---|---|---|---|---|",
    ]
    for f in families:
        known = f"{f.known_from}; {f.note}" if f.note else f.known_from
        card = f"[{f.card}]({f.card}.toml)" if f.card else "none"
        states = ", ".join(f.states) or "those of the tumour"
        cells = (
            f"`{f.name}`",
            f.title,
            states,
            "; ".join(map(parameter, f.parameters)),
            known,
            f.module,
            card,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def page() -> str:
    """The whole page."""
    laws = ["| law | parameters | source |", "|---|---|---|"]
    for law in LAWS:
        units = ", ".join(f"{name} [{unit}]" for name, unit in law.units.items())
        laws.append(f"| `{law.name}` | {units} | {law.source} |")
    laws.append(
        "| `simeoni` | growth [1/day], linear_growth [mm3/day], potency [1/(day concentration)], transit [1/day] | "
        "Simeoni 2004; a differential equation, solved step by step |"
    )
    named = ", ".join(f"`[mechanism.{name}]`" for name in MECHANISMS)
    return "\n".join(
        [
            HEAD,
            "## Families\n",
            table(FAMILIES),
            f"\nA design adds {named} to calibrated avatars as a scenario.\n",
            "## Chance in small clones\n",
            table(STOCHASTIC),
            "\n## Classics of growth and its inhibition\n",
            "For comparison with calibrated kinetics; log(V/V0) in closed form (`growth_laws`), with nadir and\n"
            "progression in `landmarks`. Gompertz retardation and logistic crowding of any clones: `saturation`.\n",
            *laws,
            "",
        ]
    )


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.read_text("utf-8") == page() else "models/families.md is not current")
    PAGE.write_text(page(), "utf-8")
