"""Gymnasium's environments with an agent in them: the checker, CartPole, infos."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from torch import nn

from veridical.agent.explainer import Settings, explain
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.loop.decision import Decision
from veridical.agent.loop.oversight import Reaction
from veridical.agent.loop.policy import Explaining, Policy
from veridical.agent.seams.gym import KEY, ExplainedEnv
from veridical.errors import InputError
from veridical.modalities.array import Array
from veridical.modalities.check import check_system

FEATURES = ("cart position", "cart velocity", "pole angle", "pole velocity")
SETTINGS = Settings(namer=None, fusion=None, salt="fixed")


class Table(nn.Module):
    """A small network over a row of numbers; linear where no hidden layer is asked for."""

    def __init__(self, sense: Array, actions: list[str], net: nn.Module) -> None:
        super().__init__()
        self.modalities, self.actions, self.net = {sense.name: sense}, actions, net
        self.sense = sense.name

    def forward(self, inputs):
        return self.net(inputs[self.sense])


class Agent:
    """A stand-in for an agent: decides by its system, and explains where it is asked to."""

    def __init__(self, system: Table, explaining: bool = False) -> None:
        self.system, self.explaining, self.count = system, explaining, 0

    def decide(self, observation: dict[str, Any]) -> Decision:
        (name,) = observation
        x = self.system.modalities[name].prepare(observation[name]).tensor
        with torch.no_grad():
            logits = self.system({name: x})[0].double()
        probabilities = dict(zip(self.system.actions, logits.softmax(0).tolist(), strict=True))
        action = max(probabilities, key=probabilities.__getitem__)
        told = explain(self.system, observation, SETTINGS) if self.explaining else None
        self.count += 1
        return Decision(
            id=f"id {self.count}",
            number=self.count,
            time="2026-01-01T00:00:00+00:00",
            action=action,
            chosen=action,
            probabilities=probabilities,
            score=0.0,
            margin=float(logits.sort().values[-2:].diff()),
            latency_ms=float(np.random.default_rng().uniform()),
            explained="inline" if told else "no",
            depth=None,
            skipped=(),
            explanation=told,
            reaction=Reaction("none", action),
        )


def linear(features: int, actions: list[str], name: str = "state", labels: tuple[str, ...] = ()) -> Table:
    torch.manual_seed(0)
    return Table(Array(name, [labels or features]), actions, nn.Linear(features, len(actions))).eval()


def balancing() -> Table:
    """CartPole by a network of one hidden layer, set in closed form: push to where the pole leans and falls."""
    first, second = nn.Linear(4, 2, bias=False), nn.Linear(2, 2, bias=False)
    net = nn.Sequential(first, nn.Tanh(), second)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[0.0, 0.0, 4.0, 1.0], [0.2, 0.5, 0.0, 0.0]]))
        second.weight.copy_(torch.tensor([[-4.0, -0.4], [4.0, 0.4]]))
    return Table(Array("state", [FEATURES]), ["LEFT", "RIGHT"], net).eval()


ENVIRONMENTS = {"CartPole-v1": (4, 2), "Acrobot-v1": (6, 3), "FrozenLake-v1": (16, 4)}


def made(name: str, explaining: bool = False, **options: Any) -> ExplainedEnv:
    features, count = ENVIRONMENTS[name]
    agent = Agent(linear(features, [f"A{i}" for i in range(count)]), explaining)
    return ExplainedEnv(gymnasium.make(name, disable_env_checker=True), agent, **options)


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("explaining", [False, True])
def test_gymnasium_s_own_checker_passes(name, explaining):
    env = made(name, explaining)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)  # drawing needs pygame
    # It warns of any wrapper at all, and of CartPole's own unbounded velocities; of nothing else.
    mine = [str(w.message) for w in told if "different from the unwrapped" not in str(w.message)]
    with warnings.catch_warnings(record=True) as bare:
        warnings.simplefilter("always")
        check_env(gymnasium.make(name, disable_env_checker=True).unwrapped, skip_render_check=True)
    assert sorted(set(mine)) == sorted({str(w.message) for w in bare})


def test_the_agent_itself_passes_the_checker():
    with ExplanationAgent(linear(4, ["LEFT", "RIGHT"])) as agent:
        env = ExplainedEnv(gymnasium.make("CartPole-v1", disable_env_checker=True), agent)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_env(env, skip_render_check=True)
        assert agent.status()["decisions"] >= 3


def test_the_agent_explains_inline():
    policy = Policy(explain=Explaining(mode="inline", depth="verdict", deadline_ms=30_000))
    with ExplanationAgent(balancing(), policy) as agent:
        agent.warm({"state": np.array([0.0, 0.0, 0.1, 0.5], np.float32)}, times=1)
        env = ExplainedEnv(gymnasium.make("CartPole-v1"), agent, stamps=True)
        env.reset(seed=0)
        *_, info = env.step(env.act())
    told = info[KEY]
    assert told["explained"] == "inline"
    assert told["verdict"] in ("supported", "unsupported", "inconclusive")
    assert "pole" in told["explanation"]["justification"]


def test_a_linear_rule_balances_the_pole_and_is_explained_by_angle_and_velocity():
    system = balancing()
    check_system(system, {"state": np.array([0.01, -0.02, 0.03, 0.04], np.float32)})
    env = ExplainedEnv(gymnasium.make("CartPole-v1"), Agent(system))
    returns = []
    for seed in range(10):
        env.reset(seed=seed)
        total, over, cut = 0.0, False, False
        while not (over or cut or total == 200):
            _, reward, over, cut, info = env.step(env.act())
            total += float(reward)
            assert info[KEY]["agrees"]
        returns.append(total)
    assert min(returns) >= 195
    # Where the pole leans, the account rests on its angle and its velocity, and that is confirmed.
    seen = np.array([0.0, 0.0, 0.12, 0.6], np.float32)
    told = explain(system, {"state": seen}, Settings(namer=None, fusion=None, salt="s"))
    assert told.decision == "RIGHT"
    assert {e["unit"]["text"] for e in told.result["ranking"][:2]} == {f"feature “{name}”" for name in FEATURES[2:]}
    shares = {e["unit"]["text"]: e["contribution"] for e in told.result["ranking"]}
    assert sum(v for k, v in shares.items() if "pole" in k) > 10 * abs(sum(v for k, v in shares.items() if "cart" in k))
    assert told.verdict in ("supported", "inconclusive")  # four units leave few controls to compare with


def test_info_tells_the_decision_before_the_step():
    env = made("CartPole-v1", explaining=True)
    _, info = env.reset(seed=1)
    assert KEY not in info
    action = env.act()
    assert env.act() == action
    assert env.agent.count == 1  # decided once on each observation
    *_, info = env.step(action)
    told = info[KEY]
    assert env.decision is not None
    assert told["taken"] == told["action"] == env.decision.action
    assert told["agrees"] is True
    assert told["verdict"] == env.decision.explanation.verdict  # pyright: ignore[reportOptionalMemberAccess]
    assert told["explanation"]["justification"]
    assert json.loads(json.dumps(info)) == info
    assert "id" not in told
    assert "latency_ms" not in told


def test_another_s_choice_is_told_apart():
    env = made("CartPole-v1")
    env.reset(seed=1)
    other = 1 - env.act()
    *_, info = env.step(other)
    assert info[KEY]["taken"] == f"A{other}"
    assert info[KEY]["action"] == f"A{1 - other}"
    assert info[KEY]["agrees"] is False
    *_, info = env.step(np.int64(other))  # decided in step, for nobody asked before
    assert info[KEY]["taken"] == f"A{other}"


def test_stamps_are_told_where_asked_for():
    env = made("CartPole-v1", stamps=True)
    env.reset(seed=1)
    *_, info = env.step(env.act())
    assert env.decision is not None
    assert info[KEY]["id"] == env.decision.id
    assert info[KEY]["latency_ms"] == env.decision.latency_ms


def test_the_environment_is_what_it_was():
    env = made("CartPole-v1")
    assert env.action_space == env.env.action_space
    assert env.observation_space == env.env.observation_space
    bare = gymnasium.make("CartPole-v1")
    a, _ = env.reset(seed=5)
    b, _ = bare.reset(seed=5)
    assert np.array_equal(a, b)
    for action in (0, 1, 1, 0):
        a, b = env.step(action), bare.step(action)
        assert np.array_equal(a[0], b[0])
        assert a[1:4] == b[1:4]
        assert {k: v for k, v in a[4].items() if k != KEY} == b[4]
    again = env.spec.make()  # pyright: ignore[reportOptionalMemberAccess]
    assert isinstance(again, ExplainedEnv)
    assert again.agent is env.agent
    again.close()
    env.close()
    env.close()


def test_what_the_agent_cannot_decide_on_does_not_stop_the_step():
    def observe(seen):
        raise InputError("state: the sensor is gone")

    env = made("CartPole-v1", observe=observe)
    env.reset(seed=0)
    *_, info = env.step(0)
    assert info[KEY] == {"fault": "state: the sensor is gone", "verdict": None, "taken": "A0", "agrees": None}
    with pytest.raises(InputError, match="the sensor is gone"):
        env.act()


def test_a_function_or_a_name_says_what_is_observed():
    env = made("CartPole-v1", observe=lambda seen: {"state": np.asarray(seen, np.float32) * 0})
    env.reset(seed=0)
    env.act()
    assert env.decision is not None
    zero = env.decision.probabilities
    named = made("CartPole-v1", observe="state")
    named.reset(seed=0)
    named.act()
    assert named.decision is not None
    assert named.decision.probabilities != zero
    assert named.act(np.zeros(4, np.float32)) in (0, 1)
    assert named.decision.probabilities == pytest.approx(zero)


def test_actions_of_another_kind():
    agent = Agent(linear(3, ["BACK", "FORTH"]))
    doing = {"BACK": np.array([-2.0], np.float32), "FORTH": np.array([2.0], np.float32)}
    env = ExplainedEnv(gymnasium.make("Pendulum-v1"), agent, actions=doing)
    env.reset(seed=0)
    action = env.act()
    *_, info = env.step(action)
    assert info[KEY]["agrees"]


def _anything(value: Any) -> Any:
    return value


def _vector() -> Any:
    return gymnasium.make_vec("CartPole-v1")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: ExplainedEnv(_vector(), Agent(linear(4, ["A", "B"]))), "is a vector of env"),
        (lambda: ExplainedEnv(_anything(3), Agent(linear(4, ["A", "B"]))), "int is no environment"),
        (lambda: ExplainedEnv(gymnasium.make("CartPole-v1"), Agent(linear(4, ["A", "B", "C"]))), "say which is which"),
        (lambda: made("CartPole-v1", observe="eyes"), "observe 'eyes' and the senses state"),
        (lambda: made("CartPole-v1", actions={"A0": 0}), "nothing to do for the action 'A1'"),
        (lambda: made("CartPole-v1", actions={"A0": 0, "A1": 7}), "'A1' does 7, which is none of Discrete"),
        (lambda: made("CartPole-v1").act(), "nothing was seen yet; call reset"),
        (lambda: pickle.dumps(made("CartPole-v1")), "cannot be pickled or copied"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_done_is_said(make, why):
    with pytest.raises(InputError, match=why):
        make()
