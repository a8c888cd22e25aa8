"""What all parts of a scenario file are made of: strict models, and types that turn nothing into anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from .perturb_names import KINDS

__all__ = [
    "SHAPES",
    "Action",
    "Line",
    "Many",
    "Model",
    "Number",
    "Path",
    "Sense",
    "Share",
    "Slug",
    "Words",
    "as_many",
    "by_shape",
    "check_sense",
    "refuse",
    "unknown",
]

SHAPES = ("<true or false>", "<number>", "<text>", "<list>", "<mapping>", "<seeds>", "<nothing>")
"""Tags by which a value of several possible shapes is told apart; they stand in places of errors, not in files."""


class Model(BaseModel):
    """A part of a scenario: nothing unknown is in it, nothing in it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        """Refuse an unknown key, and name the nearest that is known."""
        if isinstance(value, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in value:
                if key not in known:
                    raise refuse(str(key), f"there is {unknown(str(key), known, 'key ')}")
        return value


Number = Annotated[float, Strict()]
"""A finite number; text that looks like one is none."""
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
"""A number from 0 to 1."""
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""One line of text."""
Words = Annotated[str, Field(min_length=1, max_length=2000)]
"""Text of an instruction."""
Slug = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9-]*$")]
"""A short name: small letters, figures, hyphens."""
Action = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Name of an action, as the system has it."""
Path = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f\x7f\\]+$")]
"""A file, relative to the scenario's."""
Sense = Literal["vision", "audio", "text"]
"""``vision``, ``audio`` or ``text``."""


def as_many(value: Any) -> Any:
    """A list as it is; anything else as the list of it alone."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


_MOST = 64  # items of such a list


def _many(value: Any) -> Any:
    found = as_many(value)
    if not found:
        raise refuse("", "the list is empty; give a value, or leave the key out")
    if len(found) > _MOST:
        raise refuse("", f"{len(found)} items; at most {_MOST} are read")
    return found


class Many:
    """One value, or a list of them, kept as a tuple; stands in ``Annotated[tuple[str, ...], Many()]``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        """Put the one in a list before it is looked at."""
        return handler(Annotated[source, BeforeValidator(_many)])

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say that the one may stand alone."""
        several = handler(core)
        return {"anyOf": [several["items"], {**several, "minItems": 1, "maxItems": _MOST}]}


def _shape(value: Any) -> str:
    if value is None:
        return "<nothing>"
    if isinstance(value, bool):
        return "<true or false>"
    if isinstance(value, (int, float)):
        return "<number>"
    if isinstance(value, str):
        return "<text>"
    if isinstance(value, (list, tuple)):
        return "<list>"
    seeds = "seeds" in value if isinstance(value, dict) else hasattr(value, "seeds")
    return "<seeds>" if seeds else "<mapping>"


def by_shape() -> Discriminator:
    """Tell what is meant by the value's shape, so that an error speaks of what was meant alone."""
    return Discriminator(_shape)


def refuse(at: str, what: str) -> PydanticCustomError:
    """Return an error about a key that is not the one being looked at.

    Args:
        at: dotted path of the key from the part that is being looked at, such as ``rely_on.0.thing``; empty for itself.
        what: what is wrong with it, its value, and what to do.
    """
    return PydanticCustomError("refused", "{what}", {"at": at, "what": what})


def unknown(name: str, known: Iterable[str], what: str = "") -> str:
    """Say that a name is not known, which is nearest, or which there are.

    Args:
        name: as it is given.
        known: all names that there are.
        what: what is named, with a space behind it.
    """
    names = [str(one) for one in known]
    near = get_close_matches(name, names, 3, 0.5)
    said = f"do you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(names) or 'none'}"
    return f"no {what}{name!r}; {said}"


def check_sense(at: str, perturbation: str, sense: str | None) -> None:
    """Refuse a sense that a perturbation cannot disturb, or that is left out where there are several."""
    senses = KINDS[perturbation].senses
    if sense is None and len(senses) > 1:
        raise refuse(at, f"is missing; {perturbation!r} can disturb {', '.join(senses)}")
    if sense is not None and sense not in senses:
        raise refuse(at, f"{sense!r} cannot be disturbed by {perturbation!r}; it disturbs {', '.join(senses)}")
