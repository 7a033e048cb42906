"""Pages on endpoints: one for every named variant and every measure, out of the docstrings where the formula stands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from avatar_trials import endpoints
from avatar_trials.endpoints.independent_action import CENSORING_WORDS


@dataclass(frozen=True)
class Choice:
    """A definition with several readings: the constant that lists them, the places whose docstrings define them (names
    of `avatar_trials.endpoints`, or its modules), and how one is asked for."""

    title: str
    slug: str
    variants: str
    places: tuple[str, ...]
    asked: str


CHOICES = (
    Choice(
        "mRECIST category",
        "mrecist",
        "RULES",
        ("best_response", "best_average_response", "mrecist"),
        "`--rule`, or `mrecist_rule` in a design's `[endpoints]`",
    ),
    Choice(
        "Time to doubling",
        "doubling",
        "DOUBLING_VARIANTS",
        ("time_to_doubling",),
        "`--doubling`, or `doubling` in a design's `[endpoints]`",
    ),
    Choice(
        "Progression",
        "progression",
        "PROGRESSION_VARIANTS",
        ("progression", "AbsoluteFloor"),
        "`variant` of `progression`; `progression` in `[scoring]`",
    ),
    Choice("Day of progression", "timing", "TIMINGS", ("progression",), "`timing` of `progression`"),
    Choice(
        "What counts as an event",
        "event",
        "PROGRESSION_ENDPOINTS",
        ("progression",),
        "`endpoint` of `progression`",
    ),
    Choice(
        "Duration of response",
        "duration",
        "DURATION_VARIANTS",
        ("duration_of_response",),
        "`duration` of `curve_metrics`",
    ),
    Choice(
        "Tumour growth inhibition",
        "tgi",
        "TGI_VARIANTS",
        ("inhibition", "growth_inhibition"),
        "`variant` of `growth_inhibition`; `curve_metrics` gives all",
    ),
    Choice(
        "Common end of two curves",
        "end",
        "END_VARIANTS",
        ("shape.cut_at", "shape"),
        "`end` of `growth_inhibition`, `contrast` and `curve_metrics`",
    ),
    Choice(
        "Growth and kill rates",
        "rates",
        "MODELS",
        ("growth_rates", "stein_fojo"),
        "`model` of `stein_fojo`, or `least_bic` for the best of them",
    ),
    Choice(
        "Residuals of growth and kill rates", "scale", "SCALES", ("stein_fojo",), "`scale` of `stein_fojo`"
    ),
    Choice(
        "Growth against a control",
        "growth-contrast",
        "RANDOM_EFFECTS",
        ("growth_model", "growth_contrast"),
        "`random_effects` of `growth_contrast`",
    ),
    Choice(
        "Certainty of a call",
        "certainty",
        "QUESTIONS",
        ("call_certainty", "call_probability"),
        "`question` of `call_probabilities`",
    ),
    Choice(
        "Days on which a call is assessed",
        "assessed",
        "ASSESSMENTS",
        ("call_probability",),
        "`assessed` of `call_probabilities`",
    ),
    Choice(
        "Response of a patient",
        "recist",
        "RESPONSE_VARIANTS",
        ("recist",),
        "`response` in a design's `[patients]`",
    ),
    Choice(
        "Independent action of two drugs",
        "independent-action",
        "CENSORING_VARIANTS",
        ("independent_action", "better_of", "against_independent_action"),
        "`censoring` of `against_independent_action`",
    ),
    Choice(
        "Interval of a proportion",
        "proportion",
        "PROPORTION_METHODS",
        ("proportion_interval",),
        "`method` of `proportion_interval`; readouts use wilson",
    ),
    Choice("Ties in a hazard ratio", "ties", "TIES", ("hazard_ratio",), "`ties` of `hazard_ratio`"),
)
MEASURES = {
    "Depth of response": ("depth_of_response", "volume_to_diameter_pct", "cell_depth"),
    "Rates of response": ("response_rate", "wilson_interval"),
    "Kaplan-Meier": ("kaplan_meier", "quantile", "restricted_mean", "confidence_interval", "at_risk"),
    "Comparing two arms": ("logrank", "hazard_ratio", "proportional_hazards_test", "restricted_mean_difference"),
    "Paired comparisons": ("mcnemar", "signed_rank", "paired_log_rank", "paired_prentice_wilcoxon", "paired_sign_test"),
    "Interval censoring": ("turnbull", "interval_survival", "interval_parametric_survival"),
    "Competing risks": ("cumulative_incidence",),
    "Nadir and regrowth": ("nadir", "regrowth_rate", "sheet_category"),
    "Area, slope and angle": ("curve_shape", "contrast"),
    "Failure of a whole strategy": ("strategy_failure",),
    "Agreement": ("agree", "agree_with_patients", "cohen_kappa", "lin_concordance", "limits_of_agreement"),
}  # fmt: skip


def documented(place: str) -> Any:
    """What a place names: a name of `avatar_trials.endpoints`, one of its modules, or MODULE.NAME."""
    if "." in place:
        module, name = place.split(".")
        return getattr(import_module(f"avatar_trials.endpoints.{module}"), name)
    if place in dir(endpoints):
        return getattr(endpoints, place)
    return import_module(f"avatar_trials.endpoints.{place}")


def signature(what: Any) -> str:
    """How it is called, on one line or an argument a line; nothing for a module."""
    if inspect.ismodule(what):
        return ""
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(what)))
    if len(plain) > 80:
        plain = re.sub(r", (?=[\w*]+[:,=]|\*)", ",\n    ", plain)
    return f"```python\n{what.__name__}{plain}\n```\n\n"


def said(text: str, names: Iterable[str], name: str) -> list[str]:
    """The passages of a docstring about one of `names`: behind it as a mark, in its row of a table or of a list."""
    marks = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    before = r"(?:^|(?<=[-.;,:]\s)|(?<=\bor\s)|(?<=\band\s))"
    start = rf"{before}(?P<q>[`\"])(?P<name>{marks})(?P=q):?\s"
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        hits = list(re.finditer(start, flat))
        for place, hit in enumerate(hits):
            end = hits[place + 1].start() if place + 1 < len(hits) else len(flat)
            passage = re.split(r"\bValueError\b|(?:- )?`\w+`(?: \([^)]*\))?:", flat[hit.end() : end])[0]
            if hit["name"] == name:
                found.append(re.sub(r"(\s-|[;,]|,? or|,? and)*\s*$", "", passage))
        for line in paragraph.splitlines():
            if row := re.match(rf"\s*(?:\| *)?{re.escape(name)} *(?:\|| ) *(\S.*)$", line):
                found += [] if hits else [row[1].strip(" |").replace(" |", ";")]
    return [passage for passage in found if passage]


def passages(choice: Choice, variant: str) -> list[tuple[str, str]]:
    """(place, what its docstring says of the variant)."""
    names = getattr(endpoints, choice.variants)
    found = []
    for place in choice.places:
        text = inspect.getdoc(documented(place)) or ""
        found += [(place, passage) for passage in said(text, names, variant)]
    if choice.variants == "CENSORING_VARIANTS":
        found.append(("CENSORING_WORDS", CENSORING_WORDS[variant]))
    return found


def variant_page(choice: Choice, variant: str) -> str:
    """Page of one variant: what it says, the whole definition, its siblings."""
    names = getattr(endpoints, choice.variants)
    others = ", ".join(f"[{name}]({choice.slug}-{name}.md)" for name in names if name != variant)
    lines = [f"# {choice.title}: {variant}\n", f"Asked for by {choice.asked}. Other readings: {others}.\n"]
    lines += [f"- `{place}`: {passage.rstrip('.')}." for place, passage in passages(choice, variant)]
    lines += ["", "The whole definition, with its source:", ""]
    return "\n".join([*lines, *map(definition, choice.places)])


def definition(place: str) -> str:
    """A place's signature and docstring."""
    what = documented(place)
    return f"## {place}\n\n{signature(what)}{inspect.getdoc(what)}\n"


def pages() -> dict[str, str]:
    """Name of a page -> its text, with an index."""
    made = {
        f"{choice.slug}-{variant}": variant_page(choice, variant)
        for choice in CHOICES
        for variant in getattr(endpoints, choice.variants)
    }
    index = [
        "# Endpoints\n",
        "Definitions that the literature disputes are named variants; the name is printed with every result. Each "
        "page is made of the docstrings of the code that computes it.\n",
        "| definition | readings | asked for by |\n|---|---|---|",
    ]
    for choice in CHOICES:
        names = ", ".join(
            f"[{name}]({choice.slug}-{name}.md)" for name in getattr(endpoints, choice.variants)
        )
        index.append(f"| {choice.title} | {names} | {choice.asked} |")
    index.append("\n## Measures\n")
    for title, places in MEASURES.items():
        name = title.casefold().replace(" ", "-").replace(",", "")
        made[name] = f"# {title}\n\n" + "\n".join(map(definition, places))
        index.append(f"- [{title}]({name}.md)")
    hidden = "\n".join(made)
    index.append(f"\n```{{toctree}}\n:hidden:\n\n{hidden}\n```\n")
    return {"index": "\n".join(index)} | made
