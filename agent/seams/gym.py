"""Gymnasium's environments with an agent in them: the decision, and why, in each step's ``info``.

Importing this module imports ``gymnasium`` (extra ``gymnasium``); nothing else of the package does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from ...errors import InputError, VeridicalError

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.utils import RecordConstructorArgs
except ImportError as error:
    raise InputError("gymnasium is not installed: pip install 'veridical[gymnasium]'") from error

if TYPE_CHECKING:
    from ..loop.agent import ExplanationAgent
    from ..loop.decision import Decision

__all__ = ["KEY", "ExplainedEnv"]

KEY = "veridical"
"""Key of ``info`` under which a decision stands."""

_CLOCKED = ("id", "number", "time", "latency_ms")

Observe = Callable[[Any], Mapping[str, Any]]


class _Same:
    """Holds what must not be copied: Gymnasium copies the arguments of a wrapper when it makes one anew."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def __deepcopy__(self, memo: dict[int, Any]) -> _Same:
        return self


class ExplainedEnv(gymnasium.Wrapper, RecordConstructorArgs):
    """An environment in which an agent decides, or looks on while another does.

    The agent decides once on each observation: when `act` is called, or else in ``step``. There ``info["veridical"]``
    is the decision on the observation *before* the step, as `Decision.to_dict` gives it, with ``verdict`` (of its
    explanation, None where there is none here), ``taken`` (the name of the action taken) and ``agrees`` (whether it is
    what the agent had decided). Where it does not agree, the account is of the agent's decision and not of the other's:
    a choice can be explained only with the system that made it.

    By Gymnasium's rules the same seed and actions give the same ``info``. So what a clock or a random number says stays
    out of it (``id``, ``number``, ``time``, ``latency_ms``), unless ``stamps`` is set; `decision` has it all. What else
    does not follow from the observation alone differs from run to run all the same: what was done before a deadline, a
    verdict near its threshold (its controls are drawn anew), and what oversight carries from one decision to the next.

    Spaces, rewards, seeds, rendering and what else stands in ``info`` are the environment's. ``close`` closes the
    environment, not the agent, which may serve others.

    Args:
        env: the environment; not a vector of them.
        agent: decides, explains and oversees; anything with ``decide(observation) -> Decision``.
        observe: turns the environment's observation into the system's; or the name of the sense that takes it, flat, as
            floats (``gymnasium.spaces.flatten``: what is discrete becomes one-hot). By default the system's one sense.
        actions: action to what the environment takes; by default the system's actions in their order are those of a
            ``Discrete`` space.
        stamps: whether ``info`` tells id, number, time and latency.

    Attributes:
        decision: the last, whole; None before the first.

    Raises:
        InputError: not one environment, or an observation or action that cannot be matched.

    Example:
        >>> env = ExplainedEnv(gymnasium.make("CartPole-v1"), agent)                  # doctest: +SKIP
        >>> seen, info = env.reset(seed=0)                                            # doctest: +SKIP
        >>> seen, reward, over, cut, info = env.step(env.act())                       # doctest: +SKIP
        >>> info["veridical"]["verdict"]                                              # doctest: +SKIP
    """

    def __init__(
        self,
        env: gymnasium.Env,
        agent: ExplanationAgent | Any,
        observe: Observe | str | None = None,
        actions: Mapping[str, Any] | None = None,
        stamps: bool = False,
    ) -> None:
        if not isinstance(env, gymnasium.Env):
            vector = isinstance(env, gymnasium.vector.VectorEnv)
            why = "is a vector of environments; wrap each before they are made one" if vector else "is no environment"
            raise InputError(f"gymnasium: {type(env).__name__} {why}")
        if isinstance(agent, _Same):
            agent = agent.agent
        RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, agent=_Same(agent), observe=observe, actions=actions, stamps=stamps
        )
        gymnasium.Wrapper.__init__(self, env)
        self.agent: Any = agent
        self.stamps = stamps
        self.decision: Decision | None = None
        self._observe = self._observer(observe)
        self._doing = self._matched(actions)
        self._seen: Any = None
        self._decided: Decision | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; as the environment does it."""
        seen, info = self.env.reset(seed=seed, options=options)
        self._keep(seen)
        return seen, info

    def act(self, observation: Any = None) -> Any:
        """Let the agent decide on the environment's last observation, and return what is to be done, for ``step``.

        Args:
            observation: decided on in place of the last one.

        Raises:
            InputError: before ``reset``; what the system cannot decide from, where the agent's policy has no fail-safe
                action; an action that the environment lacks.
        """
        if observation is not None:
            self._keep(observation)
        if self._decided is None:
            self._decide()
        assert self._decided is not None  # noqa: S101 - as it was decided, or raised
        action = self._decided.action
        if action not in self._doing:
            raise InputError(f"gymnasium: the environment has no action {action!r}; there are {', '.join(self._doing)}")
        return self._doing[action]

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step; ``info["veridical"]`` tells the agent's decision on what was seen before it.

        What the agent cannot decide on is told there as ``fault``; the step is taken all the same.
        """
        fault = None
        if self._decided is None and self._seen is not None:
            try:
                self._decide()
            except VeridicalError as error:
                fault = str(error)
        told = self._told(action, fault)
        seen, reward, over, cut, info = self.env.step(action)
        self._keep(seen)
        return seen, reward, over, cut, {**info, KEY: told}

    def _keep(self, seen: Any) -> None:
        self._seen, self._decided = seen, None

    def _decide(self) -> None:
        if self._seen is None:
            raise InputError("gymnasium: nothing was seen yet; call reset() first")
        self._decided = self.decision = self.agent.decide(self._observe(self._seen))

    def _told(self, action: Any, fault: str | None) -> dict[str, Any]:
        taken = next((name for name, doing in self._doing.items() if _equal(doing, action)), None)
        if self._decided is None:
            return {"fault": fault or "nothing was seen yet", "verdict": None, "taken": taken, "agrees": None}
        told = self._decided.to_dict()
        if not self.stamps:
            told = {key: value for key, value in told.items() if key not in _CLOCKED}
        verdict = (told.get("explanation") or {}).get("verdict")
        # Through JSON, so that nothing in it is shared with another step's, or is of a kind that cannot be written.
        return json.loads(json.dumps({**told, "verdict": verdict, "taken": taken, "agrees": taken == told["action"]}))

    def _observer(self, observe: Observe | str | None) -> Observe:
        if callable(observe):
            return observe
        senses = list(getattr(getattr(self.agent, "system", None), "modalities", {}))
        name = observe if observe is not None else senses[0] if len(senses) == 1 else None
        if name is None or (senses and name not in senses):
            told = ", ".join(senses) or "none that are known"
            raise InputError(
                f"gymnasium: observe {observe!r} and the senses {told}; name one of them, or give a function from the "
                "environment's observation to the system's"
            )
        space = self.observation_space
        if not space.is_np_flattenable:
            raise InputError(f"gymnasium: {space} cannot be made one row of numbers; give a function as observe")
        return lambda seen: {name: np.asarray(spaces.flatten(space, seen), np.float32)}

    def _matched(self, actions: Mapping[str, Any] | None) -> dict[str, Any]:
        system = getattr(self.agent, "system", None)
        names = list(getattr(system, "actions", ()))
        if actions is None:
            space = self.action_space
            if not isinstance(space, spaces.Discrete) or int(space.n) != len(names):
                raise InputError(
                    f"gymnasium: the actions {names} for {space}; say which is which: actions={{name: what the "
                    "environment takes}"
                )
            return {name: int(space.start) + index for index, name in enumerate(names)}
        missing = [name for name in names if name not in actions]
        if missing:
            raise InputError(f"gymnasium: nothing to do for the action {missing[0]!r}; give one for each")
        for name, doing in actions.items():
            if not self.action_space.contains(doing):
                raise InputError(f"gymnasium: {name!r} does {doing!r}, which is none of {self.action_space}")
        return dict(actions)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be pickled or copied: an agent holds threads and a log, of which there is one.

        Raises:
            InputError: always.
        """
        raise InputError(
            "gymnasium: an environment with an agent cannot be pickled or copied; do so to env.env, wrap anew"
        )


def _equal(doing: Any, action: Any) -> bool:
    try:
        return bool(np.array_equal(np.asarray(doing), np.asarray(action)))
    except (ValueError, TypeError):
        return False
