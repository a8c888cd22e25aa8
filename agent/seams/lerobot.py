"""LeRobot's policy protocol, without importing it: an agent that acts as a policy.

The protocol is that of ``lerobot.policies.pretrained.PreTrainedPolicy`` (Hugging Face, LeRobot,
``src/lerobot/policies/pretrained.py``): a torch module with ``select_action(batch)``, which returns one action for each
member of the batch, and ``reset()``, called whenever the environment is reset. A batch maps keys to tensors
(``lerobot.utils.constants``): ``observation.images.<camera>`` (batch, 3, height, width), 0..1; ``observation.state``
(batch, features); ``task``, a list of texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from .policy_system import PolicySystem

if TYPE_CHECKING:
    from ..loop.agent import ExplanationAgent
    from ..loop.decision import Decision

__all__ = ["TASK", "LeRobotPolicy", "PolicySystem"]

TASK = "task"
"""Key of the instruction, a list with a text for each member of the batch."""

_IMAGES = ("observation.image", "observation.images.")


class LeRobotPolicy(nn.Module):
    """An agent as a policy: what a LeRobot robot, recorder or evaluation calls.

    Each member of a batch has its own frames: the last ``frames`` since `reset`, where fewer have come the first stands
    for those before it, as LeRobot's own policies have it. Members must keep their places in the batch until then.

    Args:
        agent: decides, explains and oversees; anything with ``decide(observation) -> Decision``.
        keys: sense to the batch's key, such as ``{"vision": "observation.images.front", "text": "task"}``.
        actions: action to the vector that the robot does, of one length for all; every action of the agent's system,
            and those that its policy may put in their place.
        frames: of a camera that are shown at a time; 1 shows the newest alone.

    Attributes:
        decisions: of the last call, one for each member of the batch.

    Raises:
        InputError: keys or actions that cannot be used.

    Example:
        >>> policy = LeRobotPolicy(agent, {"vision": "observation.images.front"}, {"STOP": [0, 0], "GO": [1, 0]})
        ...                                                                           # doctest: +SKIP
        >>> policy.reset()                                                            # doctest: +SKIP
        >>> action = policy.select_action(batch)                                      # doctest: +SKIP
    """

    name = "veridical"

    def __init__(
        self,
        agent: ExplanationAgent | Any,
        keys: Mapping[str, str],
        actions: Mapping[str, Sequence[float]],
        frames: int = 3,
    ) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"lerobot: {frames} frames; at least 1 is wanted")
        if not keys:
            raise InputError("lerobot: no keys; give a batch's key for each sense, such as observation.images.front")
        system = getattr(agent, "system", None)
        senses = list(getattr(system, "modalities", keys))
        for sense in keys:
            if sense not in senses:
                raise InputError(f"lerobot: the system has no sense {sense!r}; it has {', '.join(senses)}")
        missing = [action for action in getattr(system, "actions", ()) if action not in actions]
        if missing:
            raise InputError(f"lerobot: no vector for the action {missing[0]!r}; give one for each of the system's")
        lengths = {name: len(vector) for name, vector in actions.items()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"lerobot: action vectors of lengths {lengths}; one length for all is wanted")
        self.agent: Any = agent
        self.keys, self.frames = dict(keys), frames
        self.actions = {name: tuple(float(x) for x in vector) for name, vector in actions.items()}
        self.decisions: tuple[Decision, ...] = ()
        self._seen: dict[tuple[int, str], deque[np.ndarray]] = {}
        # A module without parameters has no device: this says which one actions go to, as LeRobot asks for it.
        self.register_buffer("_device", torch.zeros(0), persistent=False)

    def reset(self) -> None:
        """Forget the frames seen; to be called whenever the environment is reset."""
        self._seen.clear()
        self.decisions = ()

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Any]) -> Tensor:
        """Return one action for each member of the batch, float32 (batch, features).

        Args:
            batch: a value for each key; keys that are not asked for are left alone, as is the batch itself.

        Raises:
            InputError: a key is missing, a value has another shape, or members differ in number; what the system cannot
                decide from, where the agent's policy has no fail-safe action; an action without a vector.
        """
        values = {sense: self._value(batch, key) for sense, key in self.keys.items()}
        sizes = {self.keys[sense]: len(value) for sense, value in values.items()}
        if len(set(sizes.values())) != 1 or not next(iter(sizes.values())):
            raise InputError(f"lerobot: members of the batch by key: {sizes}; one number for all is wanted, at least 1")
        count = next(iter(sizes.values()))
        self.decisions = tuple(self.agent.decide(self._observation(values, member)) for member in range(count))
        return torch.tensor([self._vector(d.action) for d in self.decisions], device=self._where(values))

    def predict_action_chunk(self, batch: Mapping[str, Any]) -> Tensor:
        """Return `select_action` as a chunk of one step, (batch, 1, features)."""
        return self.select_action(batch)[:, None]

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any] | None]:
        """Raise an `InputError`: LeRobot asks for the loss here, and an agent is not trained.

        Raises:
            InputError: always.
        """
        raise InputError("lerobot: an agent has no loss to be trained by; call select_action(batch)")

    def get_optim_params(self) -> dict[str, Any]:
        """Return no parameters: there is nothing to train."""
        return {}

    def _value(self, batch: Mapping[str, Any], key: str) -> Any:
        if key not in batch:
            raise InputError(f"lerobot: the batch has no {key!r}; it has {', '.join(map(str, batch)) or 'nothing'}")
        value = batch[key]
        if isinstance(value, str):
            return [value]
        if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
            return list(value)
        if not isinstance(value, Tensor) or value.ndim == 0:
            kind = type(value).__name__
            raise InputError(f"lerobot: {key} is a {kind}; a tensor with a batch axis, or a list of texts, is wanted")
        if key.startswith(_IMAGES) and (value.ndim != 4 or value.shape[1] not in (1, 3)):
            raise InputError(f"lerobot: {key} has shape {tuple(value.shape)}; (batch, 3, height, width) is wanted")
        return value

    def _observation(self, values: Mapping[str, Any], member: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for sense, value in values.items():
            one = value[member]
            if isinstance(one, Tensor) and self.keys[sense].startswith(_IMAGES):
                out[sense] = self._frames((member, sense), one)
            else:
                out[sense] = one if isinstance(one, str) else one.detach().cpu().float().numpy()
        return out

    def _frames(self, place: tuple[int, str], image: Tensor) -> list[np.ndarray]:
        frame = image.detach().cpu()
        if frame.is_floating_point() and not bool(((frame >= -1e-3) & (frame <= 1 + 1e-3)).all()):
            low, high = float(frame.min()), float(frame.max())
            raise InputError(
                f"lerobot: {self.keys[place[1]]} reaches from {low:.4g} to {high:.4g}; 0..1 is wanted: give the images "
                "before they are normalised"
            )
        picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        if picture.dtype.kind == "f":
            picture = np.rint(picture.astype(np.float64).clip(0, 1) * 255).astype(np.uint8)
        kept = self._seen.setdefault(place, deque(maxlen=self.frames))
        kept.append(picture)
        return [kept[0]] * (self.frames - len(kept)) + list(kept)

    def _vector(self, action: str) -> tuple[float, ...]:
        if action not in self.actions:
            raise InputError(f"lerobot: no vector for the action {action!r}; there are {', '.join(self.actions)}")
        return self.actions[action]

    def _where(self, values: Mapping[str, Any]) -> torch.device:
        return next((v.device for v in values.values() if isinstance(v, Tensor)), self._device.device)

    _device: Tensor
