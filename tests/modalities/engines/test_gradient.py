"""The gradient, and that times the input."""

from __future__ import annotations

import pytest
import torch

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, linear, picture, sound, weights
from veridical.errors import ContractError, InputError
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.gradient import Gradient, GradientTimesInput, gradients
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

PREPARED = prepare(Toy(linear({})), {"vision": picture(2), "audio": sound(), "text": SENTENCE})
WEIGHTS = weights(0, PREPARED)
TASK = Task(Scorer(Toy(linear(WEIGHTS, 1.0)), Target(0)), PREPARED)
AUDIO = torch.randn(7, 50, generator=torch.Generator().manual_seed(1))


def cubed(target: Target, seen: list[int] | None = None) -> Scorer:
    def score(inputs):
        if seen is not None:
            seen.append(len(inputs["audio"]))
        return inputs["audio"].pow(3).sum(1)

    return Scorer(Toy(score, EARS), target)


def test_of_a_linear_score_the_gradient_is_the_weights():
    found = Gradient().run(TASK)
    assert list(found.values) == ["vision", "audio", "text"]
    for m, w in WEIGHTS.items():
        torch.testing.assert_close(found.values[m][0], w)
    assert not found.squared
    assert found.gap is None


def test_of_a_linear_score_gradient_times_input_sums_to_the_score_less_its_bias():
    found = GradientTimesInput().run(TASK)
    (term,) = found.terms
    assert all(not b.any() for b in term.baselines.values())
    total = sum(float((term.multipliers[m] * (x - term.baselines[m])).sum()) for m, x in TASK.inputs.items())
    assert total == pytest.approx(float(TASK.scorer.value(TASK.inputs)) - 1.0, abs=1e-4)


def test_of_a_relu_network_without_biases_it_sums_to_the_score():
    """Such a network is of degree one (Euler): <ds/dx, x> = s."""
    a, b = (torch.randn(n, 12, generator=torch.Generator().manual_seed(n)) for n in (50, 1))
    scorer = Scorer(Toy(lambda i: (i["audio"] @ a).relu() @ b[0], EARS), Target(0))
    found = gradients(scorer, {"audio": AUDIO})
    torch.testing.assert_close((found.values["audio"] * AUDIO).sum(1), found.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_how_many_rows_go_at_once_changes_nothing_and_none_goes_twice(chunk: int):
    seen: list[int] = []
    target = Target((0, 1, 0, 0, 1, 1, 0))
    found = gradients(cubed(target, seen), {"audio": AUDIO}, layout=Layout(chunk))
    signs = torch.tensor([1 - 2 * a for a in (0, 1, 0, 0, 1, 1, 0)])[:, None]
    torch.testing.assert_close(found.values["audio"], signs * 3 * AUDIO.square())
    torch.testing.assert_close(found.scores, signs[:, 0] * AUDIO.pow(3).sum(1))
    assert found.logits.shape == (7, 2)
    assert max(seen) <= chunk
    assert sum(seen) == 7


def test_a_batch_of_one_and_a_batch_of_none():
    torch.testing.assert_close(
        gradients(cubed(Target(0)), {"audio": AUDIO[:1]}).values["audio"], 3 * AUDIO[:1].square()
    )
    assert gradients(cubed(Target(0)), {"audio": AUDIO[:0]}).values["audio"].shape == (0, 50)


def test_actions_that_do_not_fit_the_rows_are_refused():
    with pytest.raises(InputError, match="2 actions for 7 rows"):
        gradients(cubed(Target((0, 1))), {"audio": AUDIO})


def test_token_ids_have_no_gradient():
    table = torch.randn(9, 2)
    scorer = Scorer(Toy(lambda i: table[i["text"]].sum((1, 2)), READER), Target(0))
    with pytest.raises(InputError, match=r"text holds int64, .* ask at the embeddings"):
        gradients(scorer, {"text": torch.tensor([[1, 2, 3]])})


def test_a_score_that_passes_over_a_sense_is_refused():
    scorer = Scorer(Toy(linear({"vision": WEIGHTS["vision"]}), EYES, EARS), Target(0))
    with pytest.raises(ContractError, match="no gradient arrives at audio"):
        Gradient().run(Task(scorer, {m: PREPARED[m] for m in ("vision", "audio")}))


def test_they_are_methods():
    assert (Gradient.name, Gradient.additive) == ("gradient", False)
    assert (GradientTimesInput.name, GradientTimesInput.additive) == ("gradient-times-input", True)
    assert isinstance(Gradient(), Method)
    assert isinstance(GradientTimesInput(), Method)
