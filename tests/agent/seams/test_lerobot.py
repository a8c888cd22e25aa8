"""LeRobot's protocol: an agent as a policy, and a policy as a system."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import EYES, SIDE, Toy, picture, sees_red
from veridical.agent.explainer import Settings
from veridical.agent.explainer import explain as explain_once
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.seams.lerobot import LeRobotPolicy, PolicySystem
from veridical.errors import ContractError, InputError
from veridical.modalities.array import Array
from veridical.modalities.check import check_system
from veridical.modalities.vision import Vision

IMAGE, STATE = "observation.images.front", "observation.state"


class Said:
    """A stand-in for a decision."""

    def __init__(self, action: str) -> None:
        self.action = action


class Agent:
    """A stand-in for an agent: remembers what it was shown."""

    def __init__(self, actions: tuple[str, ...] = ("STOP", "GO")) -> None:
        self.system = Toy(sees_red)
        self.answers = actions
        self.shown: list[dict[str, Any]] = []

    def decide(self, observation: dict[str, Any]) -> Said:
        self.shown.append(observation)
        return Said(self.answers[(len(self.shown) - 1) % len(self.answers)])


class Policy(nn.Module):
    """A policy with LeRobot's signature: no_grad, queues of observations and actions, a draw of noise."""

    name = "small"

    def __init__(self, steps: int = 2, noise: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.steps, self.noise = steps, noise
        self.see = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Tanh(), nn.Flatten(), nn.Linear(4 * (SIDE // 8) ** 2, 2))
        self.feel = nn.Linear(3, 2)
        self.calls = 0
        self.reset()

    def reset(self) -> None:
        self._queues: dict[str, deque[Tensor]] = {"seen": deque(maxlen=2), "action": deque(maxlen=self.steps)}

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict | None]:
        return self.select_action(batch).sum(), None

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Tensor]) -> Tensor:
        seen = torch.stack(list(self._queues["seen"])).mean(0)
        action = self.see(seen) + self.feel(batch[STATE])
        action = action + self.noise * torch.randn_like(action)
        return torch.stack([action * (k + 1) for k in range(self.steps)], 1)

    @torch.no_grad()
    def select_action(self, batch: dict[str, Tensor]) -> Tensor:
        self._queues["seen"].append(batch[IMAGE])
        if not self._queues["action"]:
            self._queues["action"].extend(self.predict_action_chunk(batch).transpose(0, 1))
        return self._queues["action"].popleft()


CANDIDATES = {"LEFT": [-0.5, 0.0], "RIGHT": [0.5, 0.0], "STAY": [0.0, 0.0]}


def system(policy: Any = None, **options: Any) -> PolicySystem:
    senses = {IMAGE: Vision(size=SIDE, units=16), STATE: Array("state", [("x", "y", "grip")])}
    return PolicySystem(policy or Policy().eval(), CANDIDATES, senses, **options)


def seen(frames: int = 1) -> dict[str, Any]:
    return {"vision": list(picture(frames)), "state": np.array([0.4, -0.2, 0.7], np.float32)}


def batch(members: int = 2) -> dict[str, Any]:
    images = torch.linspace(0, 1, members * 3 * 4 * 4).reshape(members, 3, 4, 4)
    return {IMAGE: images, STATE: torch.zeros(members, 3), "task": [f"go {i}" for i in range(members)]}


KEYS = {"vision": IMAGE, "text": "task"}
VECTORS = {"STOP": [0.0, 0.0], "GO": [1.0, 0.5]}


def test_one_action_for_each_member():
    policy = LeRobotPolicy(Agent(), KEYS, VECTORS)
    policy.reset()
    given = batch()
    before = {k: v.clone() if isinstance(v, Tensor) else list(v) for k, v in given.items()}
    action = policy.select_action(given)
    assert action.dtype == torch.float32
    assert action.tolist() == [[0.0, 0.0], [1.0, 0.5]]
    assert [d.action for d in policy.decisions] == ["STOP", "GO"]
    assert all(torch.equal(given[k], v) if isinstance(v, Tensor) else given[k] == v for k, v in before.items())
    assert policy.predict_action_chunk(batch()).shape == (2, 1, 2)
    # LeRobot's evaluation asks for a torch module, puts it in evaluation mode and moves it.
    assert isinstance(policy.eval().to("cpu"), nn.Module)
    assert policy.get_optim_params() == {}


def test_the_agent_itself_as_a_policy():
    with ExplanationAgent(Toy(sees_red, EYES)) as agent:
        policy = LeRobotPolicy(agent, {"vision": IMAGE}, VECTORS, frames=1)
        red = torch.from_numpy(picture()[0]).permute(2, 0, 1)[None].float() / 255
        action = policy.select_action({IMAGE: torch.cat((red, torch.zeros_like(red)))})
    assert action.tolist() == [VECTORS["STOP"], VECTORS["GO"]]
    assert [d.chosen for d in policy.decisions] == ["STOP", "GO"]


def test_what_the_agent_is_shown():
    agent = Agent()
    policy = LeRobotPolicy(agent, {**KEYS, "audio": STATE}, VECTORS)
    policy.select_action(batch())
    first, second = agent.shown
    assert (first["text"], second["text"]) == ("go 0", "go 1")
    assert first["audio"].shape == (3,)
    assert len(first["vision"]) == 3
    pixels = np.rint(batch()[IMAGE][1].permute(1, 2, 0).double().numpy() * 255).astype(np.uint8)
    assert np.array_equal(second["vision"][-1], pixels)


def test_frames_are_kept_for_each_member_until_reset():
    agent = Agent(("STOP",))
    policy = LeRobotPolicy(agent, {"vision": IMAGE}, VECTORS)
    for value in (0.0, 0.2, 0.4, 0.6):
        images = torch.stack([torch.full((3, 2, 2), value), torch.full((3, 2, 2), 1 - value)])
        policy.select_action({IMAGE: images})
    levels = [[int(f[0, 0, 0]) for f in shown["vision"]] for shown in agent.shown]
    assert levels[0::2] == [[0, 0, 0], [0, 0, 51], [0, 51, 102], [51, 102, 153]]
    assert levels[1::2] == [[255, 255, 255], [255, 255, 204], [255, 204, 153], [204, 153, 102]]
    policy.reset()
    policy.select_action({IMAGE: torch.ones(1, 3, 2, 2)})
    assert [int(f[0, 0, 0]) for f in agent.shown[-1]["vision"]] == [255, 255, 255]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({IMAGE: None}, "is a NoneType; a tensor with a batch axis"),
        ({IMAGE: torch.zeros(2, 4, 4, 3)}, r"has shape \(2, 4, 4, 3\); \(batch, 3, height, width\)"),
        ({IMAGE: torch.full((2, 3, 4, 4), 2.0)}, "reaches from 2 to 2; 0..1 is wanted: give the images before"),
        ({IMAGE: torch.full((2, 3, 4, 4), float("nan"))}, "reaches from nan"),
        ({"task": ["one"]}, "one number for all is wanted"),
    ],
)
def test_batches_that_cannot_be_used(change, why):
    with pytest.raises(InputError, match=why):
        LeRobotPolicy(Agent(), KEYS, VECTORS).select_action({**batch(), **change})


def test_a_key_that_is_missing():
    with pytest.raises(InputError, match=r"the batch has no 'task'; it has observation\.state"):
        LeRobotPolicy(Agent(), KEYS, VECTORS).select_action({STATE: torch.zeros(1, 3), IMAGE: torch.zeros(1, 3, 2, 2)})


@pytest.mark.parametrize(
    ("keys", "actions", "frames", "why"),
    [
        ({}, VECTORS, 1, "no keys"),
        ({"smell": IMAGE}, VECTORS, 1, "no sense 'smell'; it has vision, audio, text"),
        (KEYS, {"STOP": [0]}, 1, "no vector for the action 'GO'"),
        (KEYS, {"STOP": [0], "GO": [0, 1]}, 1, "one length for all"),
        (KEYS, VECTORS, 0, "0 frames"),
    ],
)
def test_options_that_cannot_be_used(keys, actions, frames, why):
    with pytest.raises(InputError, match=why):
        LeRobotPolicy(Agent(), keys, actions, frames)


def test_what_oversight_puts_in_place_needs_a_vector():
    policy = LeRobotPolicy(Agent(("HALT",)), {"vision": IMAGE}, VECTORS)
    with pytest.raises(InputError, match="no vector for the action 'HALT'; there are STOP, GO"):
        policy.select_action(batch())
    with pytest.raises(InputError, match="an agent has no loss"):
        policy.forward(batch())


def test_a_small_policy_keeps_the_contract():
    told = check_system(system(), seen())
    assert "a finite gradient arrives at vision" in told
    assert "a finite gradient arrives at state" in told
    assert "members of a batch do not mix" in told
    check_system(system(Policy(noise=1.0).eval()), seen())
    check_system(system(Policy(steps=1).eval()), seen(3))


def test_scores_are_those_of_the_distances():
    made = system(spread=0.3)
    inputs = {name: sense.prepare(seen()[name]).tensor for name, sense in made.modalities.items()}
    with torch.no_grad():
        action, scores = made.act(inputs)[0], made(inputs)[0]
    expected = [-float(((action - torch.tensor(v)) ** 2).sum()) / (2 * 0.09) for v in CANDIDATES.values()]
    assert scores.tolist() == pytest.approx(expected, rel=1e-5)
    # At a candidate's own place the next one has 2 nats less, at the spread that is taken by default.
    assert system().spread == pytest.approx(0.25)


def test_the_gradient_is_that_of_the_policy():
    made = system()
    inputs = {name: sense.prepare(seen()[name]).tensor for name, sense in made.modalities.items()}
    x = inputs["state"].clone().requires_grad_(True)
    made({**inputs, "state": x})[0, 0].backward()
    policy = made.policy
    a = policy.see(inputs["vision"][:, 0]) + policy.feel(inputs["state"])
    expected = -((a - torch.tensor(CANDIDATES["LEFT"])) / made.spread**2) @ policy.feel.weight
    assert x.grad is not None
    assert torch.allclose(x.grad, expected, atol=1e-5)


def test_what_the_policy_held_is_put_back():
    policy = Policy(steps=3).eval()
    made = system(policy)
    live = {IMAGE: torch.rand(1, 3, SIDE, SIDE), STATE: torch.rand(1, 3)}
    first = policy.select_action(live)
    queue = [x.clone() for x in policy._queues["action"]]
    random = torch.random.get_rng_state()
    explain_once(made, seen(), Settings(namer=None, fusion=None, salt="s"))
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(a, b) for a, b in zip(policy._queues["action"], queue, strict=True))
    assert torch.allclose(policy.select_action(live), 2 * first)
    assert "select_action" not in vars(policy)
    assert not policy.select_action(live).requires_grad


class Plain:
    """A policy that is no torch module, and holds its state in an object of its own."""

    class Memory:
        def __init__(self) -> None:
            self.count = 0

    def __init__(self) -> None:
        self.memory = self.Memory()

    def reset(self) -> None:
        self.memory.count = 0

    def select_action(self, batch: dict[str, Tensor]) -> Tensor:
        self.memory.count += 1
        return batch[STATE][:, :2] * self.memory.count


def test_any_object_with_the_two_methods():
    policy = Plain()
    made = PolicySystem(policy, CANDIDATES, {STATE: Array("state", [("x", "y", "grip")])})
    policy.memory.count = 7
    with torch.no_grad():
        action = made.act({"state": torch.tensor([[0.5, 0.1, 0.0], [0.2, 0.1, 0.0]])})
    assert torch.allclose(action, torch.tensor([[0.5, 0.1], [0.2, 0.1]]))
    assert policy.memory.count == 7


def test_frames_are_given_in_turn():
    class Counting(Policy):
        def select_action(self, batch):
            self.calls += 1
            return batch[IMAGE].mean((2, 3))[:, :2] * 1.0 + 0 * batch[STATE][:, :2]

    made = system(Counting().eval())
    frames = torch.stack([torch.full((3, SIDE, SIDE), v) for v in (0.1, 0.2, 0.4)])[None]
    with torch.no_grad():
        action = made.act({"vision": frames, "state": torch.zeros(1, 3)})
    assert torch.allclose(action, torch.full((1, 2), 0.4))


def test_constants_and_what_stands_before():
    heard = []

    def before(batch):
        heard.append(batch["task"])
        return {**batch, STATE: batch[STATE] * 2}

    plain, twice = system(), system(constants={"task": ["pick"]}, before=before)
    inputs = {name: sense.prepare(seen()[name]).tensor for name, sense in plain.modalities.items()}
    double = {**inputs, "state": inputs["state"] * 2}
    with torch.no_grad():
        assert torch.allclose(twice(inputs), plain(double))
    assert heard == [["pick"]]


def test_an_explanation_of_a_policy():
    explanation = explain_once(system(), seen(), Settings(namer=None, fusion=None, salt="s"))
    assert explanation.decision in CANDIDATES
    assert {claim["modality"] for claim in explanation.claims} <= {"vision", "state"}


@pytest.mark.parametrize(
    ("make", "kind", "why"),
    [
        (lambda: system(object()), ContractError, "has no method select_action"),
        (lambda: PolicySystem(Plain(), {"A": [0.0]}, {STATE: Array("state", [3])}), InputError, "at least two"),
        (
            lambda: PolicySystem(Plain(), {"A": [0.0], "B": [0.0]}, {STATE: Array("state", [3])}),
            InputError,
            "two that are the same",
        ),
        (lambda: PolicySystem(Plain(), CANDIDATES, {}), InputError, "at least one is wanted"),
        (lambda: system(spread=0.0), InputError, "a positive number"),
    ],
)
def test_what_cannot_be_made_a_system(make, kind, why):
    with pytest.raises(kind, match=why):
        make()


def test_a_missing_sense_and_a_broken_action_are_told():
    made = system()
    with pytest.raises(InputError, match=r"vision is missing; small cannot do without observation\.images\.front"):
        made({"state": torch.zeros(1, 3)})
    wrong = PolicySystem(Plain(), {"A": [0.0], "B": [1.0]}, {STATE: Array("state", [3])})
    with pytest.raises(ContractError, match=r"select_action gives shape \(1, 2\); \(1, 1\) is wanted"):
        wrong({"state": torch.zeros(1, 3)})
    endless = PolicySystem(Plain(), CANDIDATES, {STATE: Array("state", [3])})
    with pytest.raises(ContractError, match="finite numbers are wanted"):
        endless({"state": torch.full((1, 3), float("inf"))})


def test_lerobot_is_not_imported():
    assert "lerobot" not in sys.modules
