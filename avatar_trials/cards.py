"""Model cards and trial designs: TOML files, read into frozen objects, every problem told at once with its line."""

from __future__ import annotations

import hashlib
import itertools
import re
import reprlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from avatar_trials.arms import canonical_arm
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem

SCHEMA_VERSION = 1
MAX_CARD_BYTES = 1 << 20
MAX_NESTING = 50
SHAPES = {
    "normal": "N({0:g}, {1:g})",
    "lognormal": "LN(median {0:g}, log-SD {1:g})",
    "beta": "Beta({0:g}, {1:g})",
}


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Arm = Annotated[str, AfterValidator(canonical_arm)]
Support = Literal["real", "positive", "share"]
By = Literal["drug"] | None


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prior(_Card):
    """Prior of one parameter. `location`, `scale`: mean, SD (normal); median, log-SD (lognormal); a, b (beta)."""

    distribution: Literal["normal", "lognormal", "beta"]
    location: Number
    scale: Positive
    unit: str
    meaning: str
    source: str
    by: By = None

    @pydantic.model_validator(mode="after")
    def _positive_location(self) -> Prior:
        if self.distribution != "normal" and self.location <= 0:
            raise ValueError(
                f"location of a {self.distribution} prior must be above 0, got {self.location:g}"
            )
        return self

    def __str__(self) -> str:
        return SHAPES[self.distribution].format(self.location, self.scale)


class Constant(_Card):
    """A number that the data cannot tell and the card fixes."""

    value: Number
    unit: str
    meaning: str
    source: str


class Observation(_Card):
    """Caliper: volumes below `detection_limit_mm3` are left-censored; `diameter_floor_mm3` keeps the error finite."""

    detection_limit_mm3: Positive
    diameter_floor_mm3: Positive


class Sampling(_Card):
    """How the posterior is sampled (nutpie's NUTS)."""

    chains: Annotated[Whole, Field(ge=2, le=64)] = 4
    tune: Annotated[Whole, Field(ge=100)] = 1000
    draws: Annotated[Whole, Field(ge=50)] = 2000
    target_accept: Fraction = 0.9


class Gates(_Card):
    """What a posterior must pass, over all parameters. `divergences` is a share of the draws kept."""

    r_hat: Annotated[Number, Field(gt=1)] = 1.01
    ess_bulk: Positive = 400
    divergences: Annotated[Number, Field(ge=0, lt=1)] = 0.001
    e_bfmi: Positive = 0.3


# What each parameter of the kinetics can be (any number, above 0, in 0 to 1), and whether each drug has its own.
TWO_CLONE_PRIORS: dict[str, tuple[Support, By]] = {
    "mu_r": ("real", None),
    "omega_r": ("positive", None),
    "sigma_g": ("positive", None),
    "slowing": ("real", "drug"),
    "slowing_overlap": ("share", None),
    "mu_k": ("real", "drug"),
    "omega_k": ("positive", None),
    "h2": ("share", None),
    "sigma_k": ("positive", None),
    "beta_growth": ("real", None),
    "biomarker_kill": ("real", "drug"),
    "eta": ("real", None),
    "mu_q": ("real", None),
    "omega_q": ("positive", None),
    "cross_resistance": ("share", None),
    "sigma_q_combination": ("positive", None),
    "mu_v": ("real", None),
    "sigma_v": ("positive", None),
    "deceleration": ("positive", None),
    "delta": ("positive", None),
    "sigma_p": ("positive", None),
    "wander": ("positive", None),
}
TWO_CLONE_CONSTANTS: dict[str, Support] = {
    "growth_mouse_sd": "positive",
    "resistance_mouse_sd": "positive",
    "clearance_per_day": "positive",
    "resistance_bend": "real",
}
FITTING: dict[Support, tuple[str, ...]] = {
    "real": ("normal", "lognormal", "beta"),
    "positive": ("lognormal", "beta"),
    "share": ("beta",),
}


class ModelCard(_Card):
    """Which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

    schema_version: Literal[1]
    name: str
    title: str
    kinetics: Literal["two_clone"]
    observation: Observation
    constants: dict[str, Constant]
    priors: dict[str, Prior]
    biomarker: str = "braf_mutant"
    known_misses: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    gates: Gates = Gates()
    sha256: str = ""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> ModelCard:
        kinds: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
            ("prior", self.priors, TWO_CLONE_PRIORS),
            ("constant", self.constants, TWO_CLONE_CONSTANTS),
        )
        for kind, given, wanted in kinds:
            missing = [name for name in wanted if name not in given]
            unknown = [name for name in given if name not in wanted]
            if missing or unknown:
                raise ValueError(
                    f"{kind}s of kinetics two_clone: missing {', '.join(missing) or 'none'}; "
                    f"unknown {', '.join(unknown) or 'none'}"
                )
        unfit = [
            *(problem for name in TWO_CLONE_PRIORS if (problem := _unfit_prior(name, self.priors[name]))),
            *(
                f"{name} must be above 0, got {self.constants[name].value:g}"
                for name, support in TWO_CLONE_CONSTANTS.items()
                if support == "positive" and self.constants[name].value <= 0
            ),
        ]
        if unfit:
            raise ValueError("; ".join(unfit))
        return self

    def constant(self, name: str) -> float:
        """Value of a fixed number."""
        return self.constants[name].value


def _unfit_prior(name: str, prior: Prior) -> str:
    support, by = TWO_CLONE_PRIORS[name]
    problems = []
    if prior.distribution not in FITTING[support]:
        problems.append(f"has a {prior.distribution} prior, must be {' or '.join(FITTING[support])}")
    if prior.by != by:
        problems.append('must have by = "drug"' if by else f"must not have by = {prior.by!r}")
    return f"{name} {' and '.join(problems)}" if problems else ""


class ArmSpec(_Card):
    """One arm: its drugs joined by `+`, or `untreated`."""

    name: Arm


class Visits(_Card):
    """When the caliper comes: gaps in days, repeated until the horizon."""

    gaps_days: tuple[Positive, ...] = (3.0, 4.0)
    horizon_days: Annotated[Number, Field(ge=10, le=1000)]

    @pydantic.field_validator("gaps_days")
    @classmethod
    def _sensible(cls, gaps: tuple[float, ...]) -> tuple[float, ...]:
        if not gaps or min(gaps) < 0.25:
            raise ValueError("gaps between visits must be at least 0.25 days")
        return gaps

    @pydantic.model_validator(mode="after")
    def _someone_comes(self) -> Visits:
        if self.gaps_days[0] > self.horizon_days:
            raise ValueError(
                f"the first visit after day 0 would be on day {self.gaps_days[0]:g}, "
                f"after the horizon of {self.horizon_days:g} days"
            )
        return self


class Removal(_Card):
    """Hazard of leaving the study at a visit, by observed volume relative to baseline, for reasons other than size.

    None before `from_day`. `from_relative_volume[j]` to the next one: `hazard_per_day[j]`. Mice are taken out more
    often as they progress, so that censoring is not independent of progression, in the emulated trial as in the
    observed one.
    """

    from_day: Annotated[Number, Field(ge=0)] = 0.0
    from_relative_volume: tuple[Annotated[Number, Field(ge=0)], ...]
    hazard_per_day: tuple[Annotated[Number, Field(ge=0)], ...]
    source: str

    @pydantic.model_validator(mode="after")
    def _bands(self) -> Removal:
        edges = self.from_relative_volume
        if len(edges) != len(self.hazard_per_day) or not edges or edges[0] != 0:
            raise ValueError("from_relative_volume starts at 0 and has one hazard_per_day for each entry")
        if any(b <= a for a, b in itertools.pairwise(edges)):
            raise ValueError("from_relative_volume must increase")
        return self


class Stopping(_Card):
    """Why a mouse leaves: size on the caliper, or removal."""

    size_mm3: Positive
    removal: Removal


class Endpoints(_Card):
    """The named rules under which emulated and observed mice are read."""

    mrecist_rule: Literal["gao2015_text", "pct_sheet", "xeva"]
    doubling: Literal["pct_sheet", "log_linear"] = "pct_sheet"
    level: Fraction = 0.9


class Cohort(_Card):
    """Whose tumours: the calibrated avatars of a tumour type, from an embedded panel unless volumes are given."""

    panel: str
    tumor_type: str


class TrialDesign(_Card):
    """A one-mouse-per-avatar trial: cohort, arms, visits, stopping rules, endpoints, replicates and seed."""

    schema_version: Literal[1]
    name: str
    title: str
    question: str
    model: str
    seed: Annotated[Whole, Field(ge=0, lt=2**128)]
    replicates: Annotated[Whole, Field(ge=1, le=100_000)]
    cohort: Cohort
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    visits: Visits
    stopping: Stopping
    endpoints: Endpoints
    sha256: str = ""

    @pydantic.field_validator("arms")
    @classmethod
    def _distinct(cls, arms: tuple[ArmSpec, ...]) -> tuple[ArmSpec, ...]:
        names = [arm.name.casefold() for arm in arms]
        twice = sorted({arm.name for arm in arms if names.count(arm.name.casefold()) > 1})
        if twice:
            raise ValueError(f"arm {twice[0]!r} is given twice (the order of drugs does not matter)")
        return arms

    @property
    def arm_names(self) -> list[str]:
        """Canonical arm names in the design's order."""
        return [arm.name for arm in self.arms]


CardType = TypeVar("CardType", ModelCard, TrialDesign)


def load_model(name_or_path: str | Path, *, beside: Path | None = None) -> ModelCard:
    """Read a model card by name or path. Raises InputError with every problem and its line."""
    return _load(ModelCard, find_card("models", name_or_path, beside=beside), str(name_or_path))


def load_design(name_or_path: str | Path) -> TrialDesign:
    """Read a trial design by name or path. Raises InputError with every problem and its line."""
    return _load(TrialDesign, find_card("trial_designs", name_or_path), str(name_or_path))


def _load[CardType: (ModelCard, TrialDesign)](kind: type[CardType], path: Path, shown: str) -> CardType:
    raw = path.read_bytes()
    if len(raw) > MAX_CARD_BYTES:
        raise InputError(Problem("F11", "error", f"{len(raw):,} bytes: too long for a card", file=shown))
    try:
        text = raw.decode("utf-8-sig")
        # Asked before parsing: another library may have raised the recursion limit that would tell.
        if _nesting(text) > MAX_NESTING:
            raise RecursionError
        content = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(Problem("F01", "error", "not UTF-8 text", "Save it as UTF-8", shown)) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        what = re.sub(r"\s*\(at .*\)", "", str(error))
        raise InputError(
            Problem("F08", "error", f"not TOML: {what}", "", shown, int(place[1]) if place else None)
        ) from None
    except RecursionError:
        raise InputError(Problem("F09", "error", "nested too deep", "Flatten the tables", shown)) from None
    except ValueError:
        raise InputError(Problem("F08", "error", "a number of thousands of digits", "", shown)) from None
    version = content.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        what = f"schema_version is {_shown(version)}; this version reads {SCHEMA_VERSION}"
        line = _line(text, ("schema_version",))
        raise InputError(Problem("F96", "error", what, "Write schema_version = 1", shown, line))
    if "sha256" in content:
        line = _line(text, ("sha256",))
        raise InputError(Problem("D80", "error", "unknown key sha256", "Delete it", shown, line))
    try:
        return kind.model_validate({**content, "sha256": hashlib.sha256(raw).hexdigest()})
    except pydantic.ValidationError as error:
        raise InputError([_problem(item, text, shown) for item in error.errors()]) from None


def _problem(item: Any, text: str, shown: str) -> Problem:
    place = tuple(str(part) for part in item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"unknown key {place[-1]}"
    elif item["type"] == "missing":
        message = "is missing"
    elif not isinstance(item["input"], dict | list | tuple):
        message = f"{message}, got {_shown(item['input'])}"
    return Problem("D78", "error", message, "", shown, _line(text, place), ".".join(place))


def _shown(value: Any) -> str:
    """A value as a message shows it: a hundred characters at most. Python writes no number of thousands of digits."""
    if type(value) is int and abs(value) >= 10**100:
        return "a whole number of more than a hundred digits"
    return reprlib.Repr(maxstring=100, maxother=100, maxlong=100).repr(value)


def _line(text: str, place: tuple[str, ...]) -> int | None:
    """The line of a key; for a missing one, of the innermost table around it that has a header."""
    lines = text.split("\n")
    headers = []
    for number, line in enumerate(lines):
        if match := re.match(r"\s*\[\[?([^\[\],=]+)\]\]?\s*(#.*)?$", line):
            headers.append((number, [part.strip(" \"'\t") for part in match[1].split(".")]))
    found, inside, path = None, -1, list[str]()
    for part in place:
        same = [number for number, header in headers if header == path]
        if part.isdigit() and int(part) < len(same) > 0:
            found = inside = same[int(part)]
            continue
        path.append(part)
        table = next((number for number, header in headers if header == path and number > inside), None)
        if table is not None:
            found = inside = table
            continue
        end = next((number for number, _ in headers if number > inside), len(lines))
        key = re.compile(rf"""\s*["']?{re.escape(part)}["']?\s*[.=]""")
        found = next((number for number in range(inside + 1, end) if key.match(lines[number])), found)
    return None if found is None else found + 1


def check_card(path: str | Path) -> list[Problem]:
    """Problems of a design or model card file; never raises for what the file holds."""
    try:
        text = Path(path).read_bytes().decode("utf-8", "replace") if Path(path).is_file() else ""
        if re.search(r"^\s*kinetics\s*=", text, re.MULTILINE):
            load_model(path)
        else:
            load_design(path)
    except InputError as error:
        return list(error.problems)
    return []


def _nesting(text: str) -> int:
    """How deep brackets stand in one another."""
    steps = ((char in "[{") - (char in "]}") for char in text)
    return max(itertools.accumulate(steps), default=0)
