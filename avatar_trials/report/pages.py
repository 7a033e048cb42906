"""What the pages share: one look, and text from outside that is made safe before it is escaped."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from avatar_trials.report.text import clean


def page(template: str, **values: Any) -> str:
    """A template of this room as HTML; every value is made safe and escaped, and nothing is marked as safe."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )


def _source(name: str) -> str:
    return resources.files("avatar_trials.report").joinpath(name).read_text("utf-8")


def _safe(value: object) -> object:
    """Text made safe to show, which the template engine then escapes; a macro's output has been through both."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
