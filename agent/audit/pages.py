"""Pages: HTML that holds everything, names no host and runs no script; whatever is filled in is escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...modalities.wording import nats, number, percent
from ..wording import MARKS, VERDICT_WORDS, clean

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    """Jinja with escaping always on; an unknown name is an error and not an empty string."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(clean=clean, nats=nats, number=number, percent=percent)
    made.globals.update(MARKS=MARKS, VERDICT_WORDS=VERDICT_WORDS)
    return made


def render(template: str, **shown: Any) -> str:
    """Return a page.

    Its policy lets nothing be loaded and nothing be run; of styles only ours, named by its digest.

    Args:
        template: name of one of ours, such as ``letter.html.j2``.
        shown: what it shows.
    """
    from markupsafe import Markup

    made = _environment()
    style = made.get_template("style.html.j2").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return made.get_template(template).render(style=Markup(style), style_digest=digest, **shown)  # noqa: S704 - our own file
