"""A policy as a system: candidates for the action are scored by how near the policy's own action comes to them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType, MethodType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import ContractError, InputError
from ...modalities.contract import Modality

__all__ = ["PolicySystem"]

_METHODS = ("select_action", "predict_action_chunk")
_OWN = ("_parameters", "_buffers", "_modules", "training")


class PolicySystem:
    """Any object with ``select_action(batch)`` and ``reset()``, LeRobot's policies among them, as a `System`.

    A policy gives a vector, a system chooses among named actions. So candidates are named, and their score is
    ``-|a - a_k|^2 / (2 spread^2)`` for the policy's action a: the log-likelihood of each as what a policy with Gaussian
    noise of that spread meant. The choice is the candidate next to the policy's action, and the scores follow the
    policy's gradient.

    What it assumes:

    - *From a standing start.* Before each member of a batch the policy is reset, and members are given one by one, so
      that nothing leaks between them. It is asked what it would do were its memory empty; a sense with several frames
      gives them in turn, the last answer counts. What the policy held before is put back afterwards.
    - *One draw of noise.* Where a policy draws random numbers (diffusion, flow matching), the same are drawn each time.
    - *Signals as the policy takes them.* What stands before it (normalisation, tokenising) is passed in ``before``, and
      must be differentiable.

    LeRobot's own policies decorate the two methods with ``torch.no_grad``; that is taken off for the call, on the
    policy alone, for without gradients there is no account of the decision.

    Args:
        policy: the policy.
        candidates: vector of each action that is told apart, at least two, of the policy's length.
        senses: the batch's key to the sense that stands under it. Frames (``Vision``) are given as (1, 3, height,
            width), anything else as (1, ...).
        constants: what else stands in every batch, such as ``{"task": ["pick up the cube"]}``.
        spread: of the scores, in the vectors' own unit; half the smallest distance between two candidates by default,
            so that at a candidate's own place the next one has 2 nats less.
        before: turns a batch into what the policy takes.
        seed: of the noise.

    Raises:
        InputError: candidates or senses that cannot be used.
        ContractError: the policy lacks one of the two methods.
    """

    def __init__(
        self,
        policy: Any,
        candidates: Mapping[str, Sequence[float]],
        senses: Mapping[str, Modality],
        *,
        constants: Mapping[str, Any] | None = None,
        spread: float | None = None,
        before: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        for method in ("select_action", "reset"):
            if not callable(getattr(policy, method, None)):
                raise ContractError(
                    f"policy: {type(policy).__name__} has no method {method}; LeRobot's policies have it"
                )
        self.vectors = _vectors(candidates)
        self.spread = _spread(self.vectors, spread)
        keys = {sense.name: key for key, sense in senses.items()}
        if not senses or len(keys) < len(senses):
            raise InputError(
                f"policy: senses {[s.name for s in senses.values()]} under {list(senses)}; at least one is "
                "wanted, each with a name of its own"
            )
        self.name = str(getattr(policy, "name", None) or type(policy).__name__)
        self.policy, self.keys, self.constants = policy, keys, dict(constants or {})
        self.senses = {sense.name: sense for sense in senses.values()}
        self.before, self.seed = before, seed
        self._candidates = list(candidates)
        self._lock = threading.RLock()

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses by name."""
        return self.senses

    @property
    def actions(self) -> Sequence[str]:
        """Names of the candidates."""
        return self._candidates

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the candidates' scores.

        Raises:
            InputError: a sense is missing, which a policy cannot do without.
            ContractError: the policy's action has another shape, or is not finite.
        """
        missing = [name for name in self.senses if name not in inputs]
        if missing:
            raise InputError(f"policy: {missing[0]} is missing; {self.name} cannot do without {self.keys[missing[0]]}")
        action = self.act(inputs)
        away = action[:, None].float() - self.vectors.to(action.device)
        return -(away**2).sum(-1) / (2 * self.spread**2)

    def act(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch features"]:
        """Return the policy's own actions, one for each row; see `PolicySystem` for what is assumed."""
        rows = len(next(iter(inputs.values())))
        device = next(iter(inputs.values())).device
        devices = [device] if device.type == "cuda" else []
        with self._lock, _kept(self.policy), _graded(self.policy), torch.random.fork_rng(devices=devices):
            members = [self._member({m: x[i : i + 1] for m, x in inputs.items()}) for i in range(rows)]
        return torch.cat(members) if members else torch.zeros(0, self.vectors.shape[1], device=device)

    def _member(self, inputs: Mapping[str, Tensor]) -> Tensor:
        torch.default_generator.manual_seed(self.seed)
        if next(iter(inputs.values())).is_cuda:
            torch.cuda.manual_seed(self.seed)
        self.policy.reset()
        # Vision has its frames on the second axis; whatever has none is the same at each step.
        steps = max((x.shape[1] for m, x in inputs.items() if m == "vision" or x.ndim == 5), default=1)
        action: Any = None
        for step in range(steps):
            batch: dict[str, Any] = dict(self.constants)
            for sense, x in inputs.items():
                framed = sense == "vision" or x.ndim == 5
                batch[self.keys[sense]] = x[:, min(step, x.shape[1] - 1)] if framed else x
            action = self.policy.select_action(batch if self.before is None else dict(self.before(batch)))
        return self._checked(action)

    def _checked(self, action: Any) -> Tensor:
        wanted = (1, self.vectors.shape[1])
        if isinstance(action, Tensor) and tuple(action.shape) == wanted[1:]:
            action = action[None]
        if not isinstance(action, Tensor) or tuple(action.shape) != wanted:
            got = f"shape {tuple(action.shape)}" if isinstance(action, Tensor) else type(action).__name__
            raise ContractError(f"policy: select_action gives {got}; {wanted} is wanted, as the candidates have it")
        if not action.detach().isfinite().all():
            raise ContractError(f"policy: select_action gives {action.detach().tolist()}; finite numbers are wanted")
        return action


def _vectors(candidates: Mapping[str, Sequence[float]]) -> Float[Tensor, "actions features"]:
    lengths = {name: len(vector) for name, vector in candidates.items()}
    if len(candidates) < 2 or len(set(lengths.values())) != 1:
        raise InputError(f"policy: candidates of lengths {lengths}; at least two, of one length, are wanted")
    vectors = torch.tensor([[float(x) for x in vector] for vector in candidates.values()])
    if not vectors.isfinite().all() or len({tuple(v.tolist()) for v in vectors}) < len(vectors):
        raise InputError(
            "policy: candidates that are not finite, or two that are the same; they could not be told apart"
        )
    return vectors


def _spread(vectors: Tensor, given: float | None) -> float:
    if given is not None:
        if not 0 < given < float("inf"):
            raise InputError(f"policy: spread {given}; a positive number is wanted, in the vectors' unit")
        return float(given)
    return float(torch.pdist(vectors.double()).min()) / 2


@contextmanager
def _graded(policy: Any) -> Iterator[None]:
    """Call the policy's methods without ``torch.no_grad``, where they are decorated with it; on this object alone."""
    mine = vars(policy) if hasattr(policy, "__dict__") else {}
    changed = []
    for name in _METHODS:
        function = getattr(type(policy), name, None)
        inner = _bare(function)
        if name not in mine and inner is not function and isinstance(inner, FunctionType):
            mine[name] = MethodType(inner, policy)
            changed.append(name)
    try:
        yield
    finally:
        for name in changed:
            mine.pop(name, None)


def _bare(function: Any) -> Any:
    """The function under torch's own context decorators (no_grad, inference_mode); other decorators stay."""
    while getattr(getattr(function, "__code__", None), "co_name", "") == "decorate_context":
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function


@contextmanager
def _kept(policy: Any) -> Iterator[None]:
    """Put back what the policy held (queues of observations and actions) when the block ends."""
    parts = list(policy.modules()) if isinstance(policy, nn.Module) else [policy]
    with ExitStack() as stack:
        seen: set[int] = set()
        for part in parts:
            _keep(part, stack, seen, 2)
        yield


def _keep(owner: Any, stack: ExitStack, seen: set[int], depth: int) -> None:
    """Remember an object's attributes, and those of the plain objects that it holds."""
    if id(owner) in seen or not hasattr(owner, "__dict__") or isinstance(owner, (type, FunctionType, MethodType)):
        return
    seen.add(id(owner))
    held = vars(owner)
    before = {name: _copied(value) for name, value in held.items() if name not in _OWN}
    stack.callback(_put_back, held, before)
    for value in list(before.values()) if depth else ():
        if not isinstance(value, (nn.Module, Tensor)):
            _keep(value, stack, seen, depth - 1)


def _put_back(held: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name in [name for name in held if name not in before and name not in _OWN]:
        del held[name]
    held.update(before)


def _copied(value: Any) -> Any:
    """Containers anew, with the same things in them: what a policy does to its queues does not reach these."""
    if type(value) is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_copied(inner) for inner in value]
    if type(value) is set:
        return set(value)
    if type(value) is deque:
        return deque(map(_copied, value), value.maxlen)
    return value
