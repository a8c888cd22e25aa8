"""Integrated gradients of batches, and as a method; expected gradients as a method."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.toys import (
    EARS,
    EYES,
    READER,
    SENTENCE,
    Toy,
    hears_tone,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.modalities.contract import Modality
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.paths.batch import fitting
from veridical.modalities.engines.paths.integrated import (
    ExpectedGradients,
    IntegratedGradients,
    baseline_sets,
    integrated_gradients,
)
from veridical.modalities.engines.paths.quadrature import Rule
from veridical.modalities.engines.task import Contributions, Method, Task, Term
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings, integrate_path
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

OBSERVATION = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
PREPARED = prepare(Toy(linear({})), OBSERVATION)
FINE = Rule(16, 512, 1e-4)
ZERO = {"x": torch.zeros(1, 6)}


class Tensors:
    """A system of tensors alone: a module, or a function, of one input ``x``."""

    modalities: Mapping[str, Modality] = {}
    actions = ("a", "b", "c")

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["x"])


class Counting(nn.Module):
    """A network whose forward changes buffers, in place and by a new tensor, and whose scores depend on one."""

    seen: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.layer(x - self.mean).tanh()
        self.seen += len(x)
        self.mean = 0.9 * self.mean + x.detach().mean(0)
        return scores


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 3)).eval()


def rows_of(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def asked(module: nn.Module, target: Target) -> Scorer:
    return Scorer(Tensors(module), target)


def task(toy: Toy, observation: Mapping[str, object] = OBSERVATION, seed: int = 0) -> Task:
    return Task(Scorer(toy, Target(0)), prepare(toy, observation), seed)


def total(answer: Contributions, given: Task) -> float:
    return sum(
        float((t.multipliers[m] * (x - t.baselines[m])).double().sum())
        for t in answer.terms
        for m, x in given.inputs.items()
    ) / len(answer.terms)


def test_of_a_linear_system_each_row_has_the_weights_of_its_own_target():
    layer = nn.Linear(6, 3)
    x, base = rows_of(4), rows_of(4, 2)
    found = integrated_gradients(asked(layer, Target((0, 2, 1, 1), kind="logit")), {"x": x}, {"x": base})
    chosen = layer.weight.detach()[[0, 2, 1, 1]]
    assert found.multipliers is not None
    torch.testing.assert_close(found.multipliers["x"], chosen)
    torch.testing.assert_close(found.contributions["x"], chosen * (x - base))
    torch.testing.assert_close(found.differences.float(), (chosen * (x - base)).sum(1), rtol=1e-4, atol=1e-5)
    assert found.within.all()
    assert found.evaluations.tolist() == [17] * 4


def test_contributions_add_up_to_the_difference_as_far_as_is_asked():
    scorer, x = asked(network(), Target(1)), {"x": rows_of(5)}
    for tolerance in (1e-2, 1e-4):
        found = integrated_gradients(scorer, x, ZERO, Rule(16, 4096, tolerance))
        assert found.within.all()
        assert bool((found.gaps <= tolerance * found.differences.abs() + 1e-5).all())
        sums = found.contributions["x"].double().sum(1)
        torch.testing.assert_close((sums - found.differences).abs(), found.gaps, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(found.scores.float(), scorer.value(x))


def test_each_row_is_refined_on_its_own_and_does_not_depend_on_the_rows_beside_it():
    x, base = rows_of(6), {"x": rows_of(6, 3)}
    scorer, layout = asked(network(), Target((0, 1, 2, 0, 1, 2))), Layout(3)
    found = integrated_gradients(scorer, {"x": x}, base, Rule(16, 600, 1e-3), layout)
    assert len(found.evaluations.unique()) > 1
    for i in range(6):
        alone = integrated_gradients(
            scorer.at(i), {"x": x[i : i + 1]}, {"x": base["x"][i : i + 1]}, Rule(16, 600, 1e-3), layout
        )
        assert torch.equal(alone.contributions["x"][0], found.contributions["x"][i])
        assert alone.evaluations[0] == found.evaluations[i]


def test_a_second_call_gives_the_same_bits_with_the_layout_that_was_measured():
    scorer, x, base = asked(network(), Target(2)), {"x": rows_of(3)}, ZERO
    one, other = (integrated_gradients(scorer, x, base, FINE) for _ in range(2))
    assert torch.equal(one.contributions["x"], other.contributions["x"])
    assert torch.equal(one.gaps, other.gaps)


def test_one_baseline_serves_all_rows():
    scorer, x, base = asked(network(), Target(2)), {"x": rows_of(3)}, rows_of(1, 9)
    one = integrated_gradients(scorer, x, {"x": base}, FINE, Layout(4))
    each = integrated_gradients(scorer, x, {"x": base.repeat(3, 1)}, FINE, Layout(4))
    assert torch.equal(one.contributions["x"], each.contributions["x"])


@pytest.mark.parametrize("count", [0, 1])
def test_batches_of_none_and_of_one(count: int):
    found = integrated_gradients(asked(network(), Target(0)), {"x": rows_of(count)}, ZERO)
    assert found.contributions["x"].shape == (count, 6)
    assert found.scores.shape == found.gaps.shape == found.within.shape == found.map_changes.shape == (count,)
    assert found.differences.shape == (count,)


def test_inputs_need_not_be_contiguous():
    scorer, x = asked(network(), Target(0)), rows_of(5)
    scattered = torch.stack((x, x), 2).transpose(0, 1)[..., 0].T
    assert not scattered.is_contiguous()
    one, other = (integrated_gradients(scorer, {"x": given}, ZERO, FINE, Layout(4)) for given in (x, scattered))
    torch.testing.assert_close(one.contributions["x"], other.contributions["x"])


def test_a_network_whose_forward_changes_its_buffers_is_left_as_it_was_found():
    module = Counting().train()
    buffers = dict(module.named_buffers())
    before = {name: b.clone() for name, b in buffers.items()}
    scorer, x = asked(module, Target(0)), {"x": rows_of(2)}
    one, other = (integrated_gradients(scorer, x, ZERO, FINE, Layout(5)) for _ in range(2))
    assert torch.equal(one.contributions["x"], other.contributions["x"])
    # No call saw what another had left behind: it is the network without its buffers.
    plain = integrated_gradients(asked(nn.Sequential(module.layer, nn.Tanh()), Target(0)), x, ZERO, FINE, Layout(5))
    assert torch.equal(one.contributions["x"], plain.contributions["x"])
    assert one.within.all()
    assert all(now is buffers[name] and torch.equal(now, before[name]) for name, now in module.named_buffers())
    assert module.training
    assert module.layer.weight.grad is None
    assert module.layer.weight.requires_grad


def test_a_sense_at_its_baseline_gets_zeros_and_needs_no_gradient():
    class Two(Tensors):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            # Token ids have no gradient; where they do not change, none is asked for.
            return self.network(inputs["x"]) * inputs["ids"].float().sum(1, keepdim=True).sigmoid()

    scorer = Scorer(Two(network()), Target(0))
    ids = torch.tensor([[3, 4], [5, 6]])
    x, base = {"x": rows_of(2), "ids": ids}, {"x": torch.zeros(1, 6), "ids": ids}
    found = integrated_gradients(scorer, x, base)
    assert found.contributions["ids"].count_nonzero() == 0
    assert found.within.all()
    with pytest.raises(InputError, match="ids holds int64, which has no gradient"):
        integrated_gradients(scorer, x, {**base, "ids": ids + 1})


def test_float64_is_kept():
    scorer = asked(network().double(), Target(0))
    found = integrated_gradients(scorer, {"x": rows_of(2).double()}, ZERO, Rule(16, 512, 1e-6))
    assert found.contributions["x"].dtype == torch.float64


@pytest.mark.parametrize(
    ("baselines", "message"),
    [
        ({}, "baselines: none for x"),
        ({"x": torch.zeros(2, 6)}, r"x of shape \(2, 6\) for inputs of \(3, 6\); \(1 or 3, 6\) is wanted"),
        ({"x": torch.zeros(1, 5)}, r"x of shape \(1, 5\) for inputs of \(3, 6\)"),
        ({"x": torch.zeros(6)}, r"x of shape \(6,\) for inputs of \(3, 6\)"),
    ],
)
def test_baselines_that_do_not_fit_are_refused(baselines: dict[str, Tensor], message: str):
    with pytest.raises(InputError, match=message):
        integrated_gradients(asked(network(), Target(0)), {"x": rows_of(3)}, baselines)


def test_several_baselines_must_be_as_many_for_all_senses():
    inputs = {"x": rows_of(1), "y": rows_of(1)}
    with pytest.raises(InputError, match="the same number for all senses"):
        fitting(inputs, {"x": rows_of(2), "y": rows_of(3)})


MEMORY = """
    from veridical.modalities.engines.chunk import Layout
    from veridical.modalities.engines.paths.integrated import integrated_gradients
    from veridical.modalities.engines.paths.quadrature import Rule
    from veridical.modalities.scorer import Scorer
    from veridical.modalities.target import Target
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(1)
    widths = [3, 16, 16, 16]
    layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2))

    class System:
        modalities, actions, network = {}, ("a", "b"), network
        def __call__(self, inputs):
            return self.network(inputs["x"])

    def peak():
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

    scorer, x = Scorer(System(), Target(0)), {"x": torch.rand(1, 3, 96, 96)}
    for points, chunk in ((48, 4), (400, 4), (48, 49)):
        rule = Rule(points, points, 0.0, map_tolerance=0.0)
        found = integrated_gradients(scorer, x, {"x": torch.zeros(1, 3, 96, 96)}, rule, Layout(chunk))
        assert int(found.evaluations) == points + 1, found.evaluations
        print(peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is read from /proc")
def test_memory_does_not_grow_with_the_points_of_the_path():
    script = textwrap.dedent(MEMORY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    fifty, four_hundred, at_once = map(int, done.stdout.split())
    assert four_hundred <= 1.05 * fifty
    assert at_once - fifty > 5 * (four_hundred - fifty)
    assert at_once > fifty + 50_000  # kB: the measure does see activations


def test_the_method_is_the_joint_path():
    toy = Toy(lambda i: (hears_tone(i) + sees_red(i)).tanh() * reads_cat(i))
    given = task(toy)
    answer = IntegratedGradients(tolerance=1e-3, most=200, layout=Layout(4)).run(given)
    path = integrate_path(toy, given.prepared, 0, PathSettings(last=200, tolerance=1e-3, chunk=4))
    assert all(torch.equal(answer.terms[0].multipliers[m], g) for m, g in path.gradients.items())
    assert answer.gap == path.gap
    assert answer.facts == {
        "evaluations": path.nodes,
        "within": path.within,
        "difference": path.difference,
        "map_change": path.map_change,
        "chunk": 4,
        "channels_last": False,
    }
    assert isinstance(IntegratedGradients(), Method)


def test_at_one_pace_the_senses_share_a_product_evenly():
    change = PREPARED["vision"].tensor - PREPARED["vision"].baseline

    def product(inputs: Mapping[str, Tensor]) -> Tensor:
        seen = ((inputs["vision"] - PREPARED["vision"].baseline) * change).flatten(1).sum(1)
        return seen * (1 + reads_cat(inputs))

    given = task(Toy(product, EYES, READER), {m: OBSERVATION[m] for m in ("vision", "text")})

    def shares(straight: bool) -> list[float]:
        (term,) = IntegratedGradients(tolerance=1e-4, straight=straight).run(given).terms
        each = [float((term.multipliers[m] * (x - term.baselines[m])).sum()) for m, x in given.inputs.items()]
        return [s / sum(each) for s in each]

    assert shares(straight=True) == pytest.approx([1 / 2, 1 / 2], abs=1e-3)
    assert shares(straight=False) == pytest.approx([3 / 7, 4 / 7], abs=1e-3)


def test_stability_is_one_where_more_points_change_nothing_and_less_where_they_do():
    exact = IntegratedGradients().run(task(Toy(linear(weights(0, PREPARED)))))
    assert exact.stability == pytest.approx(1.0, abs=1e-6)
    network_ = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 32 * 32, 64), nn.ReLU(), nn.Linear(64, 1))
    torch.manual_seed(3)
    for p in network_.parameters():
        nn.init.normal_(p, std=0.2)
    toy = Toy(lambda i: network_(i["vision"] - 0.5)[:, 0], EYES)
    bent = IntegratedGradients(most=16).run(task(toy, {"vision": picture(2)}))
    assert bent.stability is not None
    assert 0.5 < bent.stability < 0.9999


def test_a_tolerance_that_is_missed_is_said():
    toy = Toy(lambda i: (hears_tone(i) - 1).relu(), EARS)
    answer = IntegratedGradients(tolerance=1e-7, most=16).run(task(toy, {"audio": sound()}))
    assert not answer.facts["within"]
    assert re.search(r"miss the score's difference by .* \(\d+\u00a0%\), more than the 1e-05\u00a0%", answer.notes[0])
    still = IntegratedGradients(tolerance=1.0, map_tolerance=1e-6, most=16).run(task(toy, {"audio": sound()}))
    assert re.search(r"the map still changed by \d+\u00a0% as it was last refined, more", still.notes[0])
    assert not IntegratedGradients().run(task(Toy(linear(weights(0, PREPARED))))).notes


def test_a_system_that_breaks_the_contract_is_told_where():
    toy = Toy(lambda i: (i["audio"].sum(1) * 0).log(), EARS)
    with pytest.raises(ContractError, match="on the path from the baseline to the input"):
        IntegratedGradients().run(task(toy, {"audio": sound()}))


def test_the_ways_to_be_absent_are_those_of_each_sense_without_doubles_and_padding():
    given = task(Toy(linear(weights(0, PREPARED))))
    names, sets = baseline_sets(given)
    assert names["text"] == ["prepared", "neutral"]  # masked it is the prepared one; deleted it is padding
    assert names["vision"][0] == names["audio"][0] == "prepared"
    assert {"blur", "surround"} <= set(names["vision"])
    assert "floor" in names["audio"]
    assert "silence" not in names["audio"]
    count = max(map(len, names.values()))
    for m, p in PREPARED.items():
        assert sets[m].shape == (count, *p.tensor.shape[1:])
        assert torch.equal(sets[m][:1], p.baseline)
    empty = task(Toy(reads_cat, READER), {"text": ""})
    assert baseline_sets(empty)[0] == {"text": ["prepared"]}


@pytest.mark.parametrize("rule", ["draws", "paths"])
def test_expected_gradients_of_a_linear_system_are_exact(rule: str):
    w = weights(2, PREPARED)
    given = task(Toy(linear(w, 1.0)))
    _, sets = baseline_sets(given)
    count = len(sets["vision"])
    method = ExpectedGradients(rule=rule, samples=60 * count, straight=False)  # type: ignore[arg-type] - parametrised
    answer = method.run(given)
    assert len(answer.terms) == count
    for m, x in given.inputs.items():
        found = sum(((t.multipliers[m] * (x - t.baselines[m])) for t in answer.terms), torch.zeros_like(x)) / count
        exact = w[m] * (x - sets[m].mean(0, keepdim=True))
        scale = float(exact.abs().max())
        torch.testing.assert_close(found, exact, rtol=0, atol=scale * (1e-4 if rule == "paths" else 0.15))
    assert answer.gap == pytest.approx(abs(total(answer, given) - answer.facts["difference"]), abs=1e-4)


def test_expected_gradients_come_near_the_mean_of_all_paths_and_say_how_far_they_miss():
    toy = Toy(lambda i: (hears_tone(i) + sees_red(i)).tanh() * reads_cat(i))
    exact = ExpectedGradients("paths", tolerance=1e-3, most=512).run(task(toy))
    assert exact.facts["within"]
    gaps, errors = [], []
    for samples in (16, 512):
        draws = [ExpectedGradients(samples=samples, layout=Layout(8)).run(task(toy, seed=s)) for s in range(2)]
        gaps.append(max(d.gap or 0.0 for d in draws))
        errors.append(max(abs(total(d, task(toy)) - total(exact, task(toy))) for d in draws))
    assert gaps[1] < gaps[0] / 4
    assert errors[1] < errors[0] / 4
    rough = ExpectedGradients(samples=8, tolerance=1e-6, layout=Layout(8)).run(task(toy))
    assert not rough.facts["within"]
    assert "miss the score's difference" in rough.notes[0]
    assert rough.stability is not None
    assert rough.stability < 1


def test_expected_gradients_are_the_seeds_alone():
    toy = Toy(lambda i: (hears_tone(i) + sees_red(i)).tanh() * reads_cat(i))
    one, same, other = (ExpectedGradients(samples=32).run(task(toy, seed=s)) for s in (1, 1, 2))
    for a, b, c in zip(one.terms, same.terms, other.terms, strict=True):
        assert all(torch.equal(a.multipliers[m], b.multipliers[m]) for m in PREPARED)
        assert not torch.equal(a.multipliers["audio"], c.multipliers["audio"])


def test_progress_of_the_methods_rises_to_one():
    toy = Toy(linear(weights(0, PREPARED)))
    for method in (IntegratedGradients(), ExpectedGradients(samples=20), ExpectedGradients("paths")):
        shares: list[float] = []
        method.run(replace(task(toy), progress=shares.append))
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_a_text_without_words_contributes_nothing_by_either_method():
    given = task(Toy(reads_cat, READER), {"text": ""})
    for method in (IntegratedGradients(), ExpectedGradients(), ExpectedGradients("paths")):
        answer = method.run(given)
        assert total(answer, given) == 0
        assert answer.gap == 0
        assert isinstance(answer.terms[0], Term)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: IntegratedGradients(most=0), "at least 1 is wanted"),
        (lambda: IntegratedGradients(tolerance=-1), "tolerances"),
        (lambda: ExpectedGradients(samples=0), "at least 1 sample"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message: str):
    with pytest.raises(InputError, match=message):
        wrong()


def test_an_unknown_rule_is_refused(unchecked):
    with pytest.raises(InputError, match="rule 'all'; one of draws, paths"):
        ExpectedGradients(rule="all")  # type: ignore[arg-type] - that is the test
