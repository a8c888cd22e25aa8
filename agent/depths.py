"""How far a decision is explained, by name: from an untested account to everything that is known to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from .explainer import Settings

__all__ = ["CONTROLS", "DEPTHS", "settings_at"]

DEPTHS = ("account", "verdict", "measured", "ladder", "full")
"""``account``: the gradient's account, nothing edited. ``verdict``: its claims and controls edited, and judged.
``measured``: the same, and where it does not hold, effects are searched for and measured; concepts and the task.
``ladder``: all rungs until one is supported, and all that is looked into besides, but for names and fusion.
``full``: all there is."""

CONTROLS = 19
"""Control edits at the depth ``verdict``: the fewest with which p can be 0.05."""


def settings_at(depth: str) -> Settings:
    """Return the settings of a depth.

    Raises:
        InputError: no such depth.
    """
    if depth not in DEPTHS:
        raise InputError(f"depth: no {depth!r}; there are {', '.join(DEPTHS)}")
    from ..verifier.ladder import LadderSettings
    from ..verifier.verify import VerifySettings
    from .conclude import Known
    from .explainer import Settings

    if depth == "full":
        return Settings()
    if depth == "ladder":
        return Settings(namer=None, fusion=None)
    return Settings(
        ladder=LadderSettings(
            rungs=("gradient", "measured") if depth == "measured" else ("gradient",),
            stage="account" if depth == "account" else "all",
        ),
        verify=VerifySettings(controls=CONTROLS, neighbours=0, supersets=0),
        namer=None,
        fusion=None,
        known=Known() if depth == "measured" else Known(settings=None),
        diagnose=False,
        further=False,
    )
