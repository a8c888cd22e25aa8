"""Sanity checks of methods on systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import skimage.data
import torch

from tests.toys import EYES, READER, SENTENCE, Toy, hears_tone, linear, picture, sees_red, sound, weights
from tests.verifier.nets import Deep, Edges, Eyes, Linear, digest
from veridical.errors import InputError
from veridical.modalities.engines.task import Sensitivities, Task
from veridical.modalities.observation import prepare
from veridical.verifier.sanity import check_sanity, edge_energy
from veridical.verifier.sanity_judges import SanitySettings
from veridical.verifier.subject import find_subject

SCENE = {"vision": picture()}
CHECKS = ("parameter-randomisation", "label-swap", "input-independence")


def verdicts(system, observation, method, **options):
    found = check_sanity(system, observation, [method], SanitySettings(**options))[0]
    assert tuple(check.name for check in found.checks) == CHECKS
    return {check.name: check for check in found.checks}, found


@pytest.mark.parametrize("method", ["gradient", "gradient-times-input", "integrated-gradients"])
def test_the_map_of_a_linear_system_passes_all(method):
    checks, found = verdicts(Linear(), SCENE, method)
    assert [check.verdict for check in checks.values()] == ["passed"] * 3
    assert found.failed == ()
    # one map, one stage for the one layer, two more draws, the question's own map, two other actions, 19 noisy inputs
    assert found.explanations == 1 + 1 + 2 + 1 + 2 + 19


def test_an_edge_detector_fails_all():
    checks, found = verdicts(Deep(), SCENE, Edges())
    assert found.failed == CHECKS
    assert checks["parameter-randomisation"].figures["similarity"]["vision"] == pytest.approx(1)
    assert list(checks["label-swap"].figures["swapped"].values()) == pytest.approx([1, 1])
    figures = checks["input-independence"].figures["vision"]
    assert figures["shared"] == pytest.approx(1)
    assert figures["edges"] > 0.6  # lengths of steps to one side beside squares of central ones
    assert figures["edges_randomised"] == pytest.approx([figures["edges"]] * 3)
    assert "with the input's edges" in checks["input-independence"].reason


@dataclass(frozen=True)
class Traced:
    """Edges, but for a trace of the gradient: nearly nothing of the system shows."""

    name: ClassVar[str] = "traced"
    additive: ClassVar[bool] = False

    def run(self, task: Task) -> Sensitivities:
        slope = task.scorer.gradient(task.inputs).values["vision"]
        edges = Edges().run(task).values["vision"]
        return Sensitivities({"vision": edges + 0.02 * edges.std() * slope / slope.std()})


def test_edges_with_a_trace_of_the_system_fail_what_looks_at_weights():
    """Unrelated systems' maps are alike too, so the limit may not follow them up to 1."""
    _, found = verdicts(Linear(), SCENE, Traced())
    assert {"parameter-randomisation", "input-independence"} <= set(found.failed)


def test_the_system_is_left_bit_for_bit_as_it_was_found():
    deep = Deep().train()
    before, random = digest(deep), torch.get_rng_state()
    check_sanity(deep, SCENE, ["gradient", Edges()])
    assert digest(deep) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_the_same_seed_gives_the_same_figures():
    first, again, other = (verdicts(Deep(), SCENE, "gradient", seed=seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_system_without_weights_is_asked_about_labels_alone():
    toy = Toy(linear(weights(0, prepare(Toy(linear({}), EYES), SCENE))), EYES)
    checks, found = verdicts(toy, SCENE, "gradient-times-input")
    assert [check.verdict for check in checks.values()] == ["not applicable", "passed", "not applicable"]
    assert "Toy holds no torch module" in checks["parameter-randomisation"].reason
    assert checks["label-swap"].figures["swapped"] == {"GO": pytest.approx(-1)}
    assert found.failed == ()


def test_of_two_actions_a_map_without_signs_cannot_tell_and_is_not_blamed():
    checks, _ = verdicts(Linear(("STOP", "GO")), SCENE, "gradient")
    assert checks["label-swap"].verdict == "not applicable"
    assert "speaks against the other, and a map without sign is the same for both" in checks["label-swap"].reason
    assert verdicts(Linear(("STOP", "GO")), SCENE, "gradient-times-input")[0]["label-swap"].verdict == "passed"


def test_a_system_of_one_action_has_no_other_to_ask_about():
    checks, _ = verdicts(Linear(("GO",)), SCENE, "gradient")
    assert checks["label-swap"].reason == "there is one action, so no other can be asked about"
    assert checks["parameter-randomisation"].verdict == "passed"


def test_a_map_of_zeros_is_never_passed():
    net = Linear()
    torch.nn.init.zeros_(net.layer.weight)
    checks, _ = verdicts(net, SCENE, "gradient")
    assert {check.verdict for check in checks.values()} == {"not applicable"}


def test_a_few_words_are_too_few_to_judge():
    net = Toy(linear(weights(0, prepare(Toy(linear({}), READER), {"text": "stop"}))), READER)
    checks, _ = verdicts(net, {"text": "stop"}, "gradient-times-input")
    assert {check.verdict for check in checks.values()} == {"not applicable"}


def test_scores_that_break_down_under_noise_are_no_crash():
    def fragile(inputs):
        x = inputs["vision"]
        moved = (x - prepare(Toy(sees_red, EYES), SCENE)["vision"].tensor).abs().amax((1, 2, 3, 4))
        return torch.where(moved > 0, torch.inf, 1.0) * sees_red(inputs)

    checks, _ = verdicts(Toy(fragile, EYES), SCENE, "gradient-times-input")
    assert checks["label-swap"].reason == "0 of the noisy inputs gave maps, too few for a level of 0.05"


def test_progress_rises_to_one_over_all_methods():
    shares: list[float] = []
    check_sanity(Deep(), SCENE, ["gradient", "gradient-times-input"], progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any(0.4 < share <= 0.5 for share in shares)


def test_a_method_that_means_nothing_here_is_an_error_in_words():
    with pytest.raises(InputError, match="no ReLU was met"):
        check_sanity(Linear(), SCENE, ["guided-backprop"])


def test_edges_are_where_the_picture_changes_and_else_the_signals_own_energy():
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[:, 16:] = 255
    toy = Toy(lambda i: sees_red(i) + hears_tone(i) + i["text"].sum((1, 2)))
    subject = find_subject(toy, {"vision": frame, "audio": sound(), "text": SENTENCE})
    found = edge_energy(subject)
    columns = found["vision"][0].sum(0)
    assert set(np.flatnonzero(columns)) == {15, 16}
    assert columns[15] == pytest.approx(32 * 3 / 4)
    for sense in ("audio", "text"):
        p = subject.prepared[sense]
        wanted = float((p.tensor - p.baseline).double().square().sum())
        assert found[sense].sum() == pytest.approx(wanted, rel=1e-5)


def test_on_efficientnet_guided_backpropagation_fails_and_the_gradient_passes():
    few = SanitySettings(level=0.1, noisy=9, draws=1)
    guided, plain = check_sanity(Eyes(), {"vision": skimage.data.cat()}, ["guided-backprop", "gradient"], few)
    assert {"parameter-randomisation", "label-swap"} <= set(guided.failed)
    assert guided.checks[0].figures["stages"]["vision"][0] > 0.9
    assert min(guided.checks[1].figures["swapped"].values()) > 0.95
    assert [check.verdict for check in plain.checks] == ["passed"] * 3
