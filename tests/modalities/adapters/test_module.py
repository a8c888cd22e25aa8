"""Any torch module as a system."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import veridical
from tests.toys import EYES, picture
from veridical.errors import ContractError, InputError
from veridical.modalities.adapters.module import Wrapped, different, logits_in, wrap
from veridical.modalities.array import Array
from veridical.modalities.axis import Axis
from veridical.modalities.contract import System
from veridical.modalities.held import find_layer, parts
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

LEFT, RIGHT = Array("left", [Axis("step"), Axis("width", 4, block="all")]), Array("right", [5], baseline=2.0)
X = {"left": torch.randn(3, 7, 4), "right": torch.randn(3, 5)}


class Pair(nn.Module):
    """Two inputs of unequal length, a weight for the second, and three scores."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, left: Tensor, right: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        return self.first(left).mean(1) + self.second(right) * weight


class ByTuple(Pair):
    def forward(self, given: Any) -> Any:  # type: ignore[override]
        return super().forward(*given), "state"


class ByMapping(Pair):
    def forward(self, given: Any) -> Any:  # type: ignore[override]
        return {"hidden": None, "logits": super().forward(**given)}


PAIR = Pair()
EXPECTED = PAIR(X["left"], X["right"]).detach()
ACTIONS = ("A", "B", "C")


@pytest.mark.parametrize(
    ("module", "call"),
    [
        (PAIR, "positional"),
        (PAIR, "keyword"),
        (ByTuple(), "tuple"),
        (ByMapping(), "mapping"),
        (PAIR, lambda module, given: SimpleNamespace(logits=module(given["left"], given["right"]))),
    ],
    ids=["positional", "keyword", "tuple", "mapping", "function"],
)
def test_inputs_reach_the_module_and_scores_come_back_however_it_takes_them(module: nn.Module, call: Any):
    system = wrap(module, [LEFT, RIGHT], ACTIONS, call=call)
    assert isinstance(system, System)
    torch.testing.assert_close(system(X), EXPECTED)
    torch.testing.assert_close(system(dict(reversed(X.items()))), EXPECTED)  # senses' order, not the mapping's


def test_an_argument_may_have_another_name_than_its_sense():
    a, b = Array("a", LEFT.axes), Array("b", RIGHT.axes)
    system = wrap(PAIR, {"right": b, "left": a}, ACTIONS, call="keyword")
    assert set(system.modalities) == {"a", "b"}
    torch.testing.assert_close(system({"a": X["left"], "b": X["right"]}), EXPECTED)


def test_the_layers_can_be_found_and_the_module_is_held_still():
    system = wrap(PAIR, [LEFT, RIGHT], ACTIONS)
    assert parts(system) == {"module": PAIR}
    assert find_layer(system, "module.first") is PAIR.first
    linear = nn.Linear(5, 2)
    module = nn.Sequential(linear, nn.Dropout(0.5))
    dropping = wrap(module, [RIGHT], ("A", "B"))
    scorer = Scorer(dropping, Target(0))
    slopes = scorer.gradient({"right": X["right"]})
    weight = linear.weight
    torch.testing.assert_close(slopes.values["right"], (weight[0] - weight[1]).detach().expand(3, 5))
    assert module.training
    assert weight.requires_grad
    assert weight.grad is None


def test_constants_are_repeated_for_each_row_and_may_be_integers():
    class Masked(nn.Module):
        def forward(self, x: Tensor, ids: Tensor, mask: Tensor, scale: float) -> Tensor:
            assert ids.shape == (len(x), 5)
            assert ids.dtype == torch.int64
            return scale * (x * mask * ids)[:, :2]

    constants = {"ids": torch.arange(5)[None], "mask": torch.tensor(True), "scale": 3.0}
    system = wrap(Masked(), {"x": RIGHT}, ("A", "B"), call="keyword", constants=constants)
    torch.testing.assert_close(system({"right": X["right"]}), X["right"][:, :2] * torch.tensor([0.0, 3.0]))
    in_order = wrap(Masked(), [RIGHT], ("A", "B"), constants=constants)
    assert torch.equal(in_order({"right": X["right"]}), system({"right": X["right"]}))


def test_of_an_absent_array_the_baseline_stands_in_and_for_others_what_was_given():
    system = wrap(PAIR, [LEFT, RIGHT], ACTIONS, absent={"left": torch.zeros(1, 2, 4)})
    alone = system({"right": X["right"]})
    torch.testing.assert_close(alone, PAIR(torch.zeros(3, 2, 4), X["right"]))
    torch.testing.assert_close(system({"left": X["left"]}), PAIR(X["left"], torch.full((3, 5), 2.0)))
    with pytest.raises(InputError, match=r"Pair: left is absent, .* absent=\{'left': tensor\}"):
        wrap(PAIR, [LEFT, RIGHT], ACTIONS)({"right": X["right"]})


def test_a_binary_score_is_the_log_odds_of_the_first_action():
    system = wrap(nn.Linear(5, 1), [RIGHT], ("yes", "no"), binary=True)
    z = system.module(X["right"])[:, 0]
    torch.testing.assert_close(Target(0)(system({"right": X["right"]})), z)
    torch.testing.assert_close(Target(1)(system({"right": X["right"]})), -z)
    flat = wrap(nn.Linear(5, 1), [RIGHT], ("yes", "no"), binary=True, output=lambda found: found[:, 0])
    assert flat({"right": X["right"]}).shape == (3, 2)


def test_a_regression_is_one_action_explained_as_it_is():
    module = nn.Linear(5, 1)
    system = wrap(module, [RIGHT], ["price"])
    slopes = Scorer(system, Target(0, kind="logit")).gradient({"right": X["right"]})
    torch.testing.assert_close(slopes.values["right"], module.weight.detach().expand(3, 5))
    with pytest.raises(InputError, match="ask for kind 'logit'"):
        Scorer(system, Target(0)).value({"right": X["right"]})


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_inputs_are_brought_to_the_modules_precision_and_gradients_come_back_in_theirs(dtype: torch.dtype):
    system = wrap(Pair().to(dtype), [LEFT, RIGHT], ACTIONS)
    assert system(X).dtype == dtype
    slopes = Scorer(system, Target(0)).gradient(X)
    assert slopes.values["left"].dtype == torch.float32
    exact = Scorer(wrap(Pair(), [LEFT, RIGHT], ACTIONS), Target(0)).gradient(X)
    torch.testing.assert_close(slopes.values["right"], exact.values["right"], rtol=3e-2, atol=1e-2)


def test_scores_are_found_in_what_modules_return():
    logits = torch.zeros(1, 2)
    named = namedtuple("Out", "loss logits")(None, logits)
    for found in (logits, named, {"logits": logits}, (logits, None), [(logits,)], SimpleNamespace(logits=logits)):
        assert logits_in(found) is logits
    assert logits_in("nothing") == "nothing"


def test_names_that_occur_twice_are_numbered():
    assert different(["crane", "cat", "crane", 3]) == ("crane (0)", "cat", "crane (2)", "3")


def test_the_checker_finds_a_wrapped_module_right_and_veridical_explains_it():
    class Red(nn.Module):
        def forward(self, frames: Tensor) -> Tensor:
            z = 12 * (frames[:, 0, 0, 16:24, 16:24] - frames[:, 0, 1, 16:24, 16:24]).mean((1, 2)) - 3
            return torch.stack((z, -z), 1)

    system = wrap(Red().eval(), {"frames": EYES}, ("STOP", "GO"), call="keyword")
    assert "a finite gradient arrives at vision" in veridical.check_system(system, {"vision": picture()})
    found = veridical.explain(system, {"vision": picture()})
    assert (found.decision, found.verdict) == ("STOP", "supported")
    assert found.result["system"]["name"] == "Red"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda found: found[:, :2], r"float32 of shape \(3, 2\); floats of shape \(3, 3\)"),
        (lambda found: found.argmax(1), r"int64 of shape \(3,\)"),
        (lambda found: "none", "the module's scores are str"),
        (lambda found: found[:1], r"of shape \(1, 3\)"),
    ],
)
def test_scores_of_another_shape_are_refused(output: Any, message: str):
    with pytest.raises(ContractError, match=message):
        wrap(PAIR, [LEFT, RIGHT], ACTIONS, output=output)(X)


def test_inputs_that_do_not_fit_are_refused():
    system = wrap(PAIR, [LEFT, RIGHT], ACTIONS)
    with pytest.raises(InputError, match="no sense 'middle'; it has left, right"):
        system({**X, "middle": X["left"]})
    with pytest.raises(InputError, match="one batch size"):
        system({**X, "right": X["right"][:1]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"module": lambda x: x}, "a function is no torch module; for a function there is BlackBox"),
        ({"senses": []}, "give at least one"),
        ({"senses": [RIGHT, RIGHT]}, "each of its own name"),
        ({"senses": {"a": RIGHT, "b": RIGHT}}, "each of its own name"),
        ({"actions": []}, "at least one name"),
        ({"actions": "AB"}, "at least one name"),
        ({"actions": ["A", "A"]}, "all different"),
        ({"binary": True}, "3 actions for one score of two"),
        ({"call": "star"}, "one of positional, tuple, keyword, mapping"),
        ({"absent": {"middle": torch.zeros(1, 2)}}, "absent 'middle'"),
        ({"absent": {"right": torch.zeros(5)}}, r"absent 'right' of shape \(5,\)"),
        ({"constants": {"right": 1}}, "right is both"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_options_that_cannot_be_used_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        wrap(**{"module": PAIR, "senses": [LEFT, RIGHT], "actions": ACTIONS, **options})


def test_a_wrapped_system_is_told_from_another_by_itself():
    one, other = (wrap(PAIR, [LEFT, RIGHT], ACTIONS) for _ in range(2))
    assert isinstance(one, Wrapped)
    assert len({one, other}) == 2
