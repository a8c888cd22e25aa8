"""Closed loops: a storyboard is driven through with a system, or an agent under a policy, and its criteria are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from ...errors import ContractError, InputError, VeridicalError
from ...modalities.contract import System
from .load import LoadedScenario
from .result import Checked
from .schema_base import unknown
from .schema_storyboard import Storyboard
from .storyboard_criteria import judged
from .storyboard_drive import Drive, Step, driven
from .storyboard_stage import stage_of

if TYPE_CHECKING:
    from ...agent.loop.agent import ExplanationAgent
    from ...agent.loop.policy import Policy

__all__ = ["Driven", "check_storyboard", "drive_storyboard"]

_PATIENCE = 600.0  # seconds that a step waits for its explanation; the world stands still meanwhile


@dataclass(frozen=True)
class Driven:
    """What came of a storyboard.

    Attributes:
        checked: first that it was driven, with the table of steps as figures; then each criterion.
        drive: the drive; None where the system failed on the way.
    """

    checked: tuple[Checked, ...]
    drive: Drive | None

    @property
    def frames(self) -> tuple[UInt8[np.ndarray, "size size 3"], ...]:
        """What was seen last at each decision."""
        return () if self.drive is None else self.drive.frames


def check_storyboard(loaded: LoadedScenario, system: System) -> list[Checked]:
    """Drive through a scenario's storyboard, and hold its criteria against what happened; see `drive_storyboard`."""
    return list(drive_storyboard(loaded, system).checked)


def drive_storyboard(loaded: LoadedScenario, system: System) -> Driven:
    """Drive through a scenario's storyboard; the scene is as written, whatever else the scenario varies or disturbs.

    Under a policy every step waits until what the policy has explained is explained: nothing depends on how fast the
    machine is, and a drive can be repeated.

    Args:
        loaded: the scenario; it has a storyboard.
        system: what decides.

    Returns:
        What came of it. What the system does wrong is a check that failed.

    Raises:
        InputError: the scenario is at fault: it has no storyboard, its street or its actors cannot be made, an action
            has no speed or is unknown, or its policy cannot be used.
    """
    board, scene = loaded.scenario.storyboard, loaded.scenario.scene
    if board is None or scene is None:
        raise loaded.error("", "there is no storyboard; give one, beside a scene")
    _fits(loaded, board, system)
    try:
        stage = stage_of(board, scene)
    except InputError as error:
        raise InputError(f"{loaded.path}: {error}") from error
    with _deciding(loaded, board, system) as (decide, status):
        try:
            drive = driven(board, stage.cast, stage.observe, decide)
        except VeridicalError as error:
            return Driven((_ran(False, str(error), {}),), None)
        explained = status()
    seconds = drive.moments[-1].time
    told = f"{len(drive.steps)} decisions in {seconds:.2f} s, {drive.moments[-1].motion.ahead:.2f} m"
    if failed := explained.get("outcomes", {}).get("failed", 0):
        told += f"; {failed} could not be explained, the last for this reason: {explained.get('last_fault')}"
    figures = {"steps": _table(drive), "seconds": seconds, "explained": explained.get("outcomes", {})}
    return Driven((_ran(True, told, figures), *judged(drive, board)), drive)


def _ran(held: bool, happened: str, figures: Mapping[str, Any]) -> Checked:
    return Checked("storyboard", held, "the closed loop is run", happened, figures, "closed loop")


def _fits(loaded: LoadedScenario, board: Storyboard, system: System) -> None:
    """Refuse a storyboard that does not say how fast an action is, or waits for one that the system lacks."""
    actions = list(system.actions)
    for action in actions:
        if action not in board.speeds:
            raise loaded.error("storyboard.speeds", f"{action} has no speed; give one for each of {', '.join(actions)}")
    for i, one in enumerate(board.must.yield_within):
        for action in one.actions:
            if action not in actions:
                raise loaded.error(f"storyboard.must.yield_within.{i}.actions", unknown(action, actions))


@contextmanager
def _deciding(
    loaded: LoadedScenario, board: Storyboard, system: System
) -> Iterator[tuple[Callable[[Mapping[str, Any], float], Step], Callable[[], Mapping[str, Any]]]]:
    """What decides, the system alone or an agent around it; and how it went, which only an agent tells."""
    if board.policy is None:
        yield _alone(system), dict
        return
    from ...agent.loop.agent import ExplanationAgent
    from ...agent.loop.policy_file import read_policy

    policy = _still(read_policy(loaded.file(board.policy, "storyboard.policy")))
    with ExplanationAgent(system, policy) as agent:
        yield _overseen(agent), agent.status


def _alone(system: System) -> Callable[[Mapping[str, Any], float], Step]:
    from .expect_trial import Trial

    trial = Trial(system, ())

    def decide(observation: Mapping[str, Any], time: float) -> Step:
        found = trial.decide(observation, f"second {time:g} of the drive")
        return Step(time, found.action, found.probabilities)

    return decide


def _overseen(agent: ExplanationAgent) -> Callable[[Mapping[str, Any], float], Step]:
    from .expect_trial import system_fails

    # Inline explanations begin where their cost is known; of a system with an example the agent has found it out.
    cold = agent.policy.explain.mode == "inline" and not callable(getattr(agent.system, "example", None))

    def decide(observation: Mapping[str, Any], time: float) -> Step:
        with system_fails(f"second {time:g} of the drive"):
            if cold and time == 0:
                agent.warm(observation, times=1)
            found = agent.decide(observation)
        if not agent.drain(_PATIENCE):
            raise ContractError(f"agent: no explanation of second {time:g} of the drive came within {_PATIENCE:g} s")
        chosen = None if found.chosen == found.action else found.chosen
        return Step(time, found.action, dict(found.probabilities), chosen, found.reaction.level)

    return decide


def _still(policy: Policy) -> Policy:
    """The policy, for a world that stands still while a decision is explained: a thread of ours, and no deadline."""
    deadline = 1000 * _PATIENCE if policy.explain.mode == "inline" else None
    return replace(policy, explain=replace(policy.explain, worker="thread", deadline_ms=deadline))


def _table(drive: Drive) -> list[dict[str, Any]]:
    """Each step in plain values: when, where, how fast, what was decided, and how far off the nearest actor was."""
    moments = {round(moment.time, 6): moment for moment in drive.moments}
    rows = []
    for step in drive.steps:
        now = moments[round(step.time, 6)]
        seen = [(one.gap, name) for name, one in now.actors.items() if one.seen]
        gap, nearest = min(seen, default=(None, None))
        rows.append(
            {
                "time": step.time,
                "ahead": now.motion.ahead,
                "side": now.motion.side,
                "speed": now.motion.speed,
                "action": step.action,
                "chosen": step.chosen,
                "level": step.level,
                "probabilities": dict(step.probabilities),
                "gap": gap,
                "nearest": nearest,
            }
        )
    return rows
