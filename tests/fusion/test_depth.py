"""Maps at successive depths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import EYES, READER, SENTENCE, Toy, picture
from veridical.errors import InputError
from veridical.fusion.depth import depths
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.model import load


class Stages(nn.Module):
    """Convolutions at 32, 16, 8 and 4 cells a side, two at 16; linear but for what a test puts in between."""

    actions = ("STOP", "GO")

    def __init__(self, between: type[nn.Module] = nn.Identity) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.modalities = {"vision": EYES}
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.two = nn.Sequential(nn.Conv2d(4, 5, 3, 2, 1), between())
        self.three = nn.Conv2d(5, 5, 3, padding=1)
        self.four = nn.Conv2d(5, 6, 3, 2, 1)
        self.five = nn.Conv2d(6, 7, 3, 2, 1)
        self.last = nn.Linear(7 * 16, 2)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["vision"].flatten(0, 1)
        x = self.five(self.four(self.three(self.two(self.one(x)))))
        logits = self.last(x.flatten(1)).unflatten(0, inputs["vision"].shape[:2]).mean(1)
        return logits - logits[:, 1:]


def strip(system: Any, observation: Mapping[str, Any], **options: Any):
    return depths(system, prepare(system, observation), Target(0, kind="logit"), **options)


def test_the_last_layer_of_each_resolution_is_shown_in_the_order_of_execution():
    found = strip(Stages(), {"vision": picture(2)}, count=4)
    assert [layer.layer for layer in found.layers] == ["one", "three", "four", "five"]
    assert [layer.resolution for layer in found.layers] == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert [layer.values.shape for layer in found.layers] == [(2, n, n) for n in (32, 16, 8, 4)]
    assert found.layers[2].title == "8 × 8"
    at = [layer.position for layer in found.layers]
    assert at[0] == 0
    assert at[-1] == 1
    assert at == sorted(at)


def test_more_layers_than_stages_come_from_within_and_fewer_are_spaced_evenly():
    system = Stages()
    assert [x.layer for x in strip(system, {"vision": picture()}, count=5).layers] == [
        "one", "two", "three", "four", "five",
    ]  # fmt: skip
    assert len(strip(system, {"vision": picture()}, count=12).layers) == 5  # there are no more
    assert [x.layer for x in strip(system, {"vision": picture()}, count=2).layers] == ["one", "five"]


def test_of_a_linear_network_every_layer_sums_to_the_score_s_difference_from_the_baseline():
    system = Stages()
    prepared = prepare(system, {"vision": picture(2)})
    target = Target(0, kind="logit")
    found = depths(system, prepared, target, count=5)
    scorer = Scorer(system, target)
    tensor, baseline = prepared["vision"].tensor, prepared["vision"].baseline
    difference = float(scorer.value({"vision": tensor})[0] - scorer.value({"vision": baseline})[0])
    assert [x.total for x in found.layers] == pytest.approx([difference] * 5, rel=1e-4)
    assert found.unit == "logit (first order, against the baseline's activations)"
    assert found.target == "score of STOP"


def test_one_pass_gives_what_passes_of_their_own_give():
    """Not linear, and changed in place: a map is the gradient at that layer times the change of its activations."""

    class InPlace(nn.Tanh):
        def forward(self, input: Tensor) -> Tensor:
            return torch.tanh_(input)

    system = Stages(InPlace)
    prepared = prepare(system, {"vision": picture()})
    found = depths(system, prepared, Target(0, kind="logit"), count=5)
    frames, blank = (x[:, 0] for x in (prepared["vision"].tensor, prepared["vision"].baseline))

    def tail(x: Tensor) -> Tensor:
        logits = system.last(system.five(system.four(system.three(x))).flatten(1))
        return logits[0, 0] - logits[0, 1]

    a, before = system.two(system.one(frames)).detach().requires_grad_(), system.two(system.one(blank))
    (g,) = torch.autograd.grad(tail(a), a)
    expected = ((a - before) * g).sum(1).detach()
    np.testing.assert_allclose(found.layers[1].values, expected, rtol=1e-4, atol=1e-7)
    assert all(not m._forward_hooks for m in system.modules())


class Where(nn.Module):
    """What it sees is summed under a mask; its layers hand it on, at 32 and 16 cells a side."""

    actions = ("STOP", "GO")

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.modalities = {"vision": EYES}
        self.fine, self.coarse = nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(1, 1, 2, 2, bias=False)
        self.register_buffer("mask", mask)
        for conv in (self.fine, self.coarse):
            nn.init.constant_(conv.weight, 1 / conv.weight[0].numel())

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = self.coarse(self.fine(inputs["vision"].flatten(0, 1)))[:, 0] * self.mask
        score = x.sum((1, 2)).unflatten(0, inputs["vision"].shape[:2]).sum(1)
        return torch.stack((score, torch.zeros_like(score)), 1)


def test_centre_entropy_and_support_are_those_of_the_map():
    mask = torch.zeros(16, 16)
    mask[4, 12] = 1
    found = strip(Where(mask), {"vision": picture()}).layers[-1]
    assert np.count_nonzero(found.values) == 1
    assert found.centre == pytest.approx((4.5 / 16, 12.5 / 16))
    assert found.entropy == pytest.approx(0)
    assert found.support in (0.0, 1.0)
    assert found.size == pytest.approx(abs(found.total))
    assert found.last == pytest.approx(1)
    assert found.edges is not None


def test_a_layer_that_looks_at_edges_is_told_from_one_that_does_not():
    """A white square on black, and a mask that is its outline or its inside."""
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[8:24, 8:24] = 255
    outline, inside = torch.zeros(16, 16), torch.zeros(16, 16)
    outline[3:13, 3:13] = 1
    outline[5:11, 5:11] = 0
    inside[6:10, 6:10] = 1
    at_edges, within = (strip(Where(mask), {"vision": frame}).layers[-1].edges for mask in (outline, inside))
    assert at_edges is not None
    assert within is not None
    assert at_edges > 0.7
    assert within < 0.1


def test_nothing_that_speaks_has_no_centre():
    found = strip(Where(torch.zeros(16, 16)), {"vision": picture()}).layers[-1]
    assert (found.support, found.centre, found.entropy, found.edges, found.last) == (None,) * 5
    assert (found.total, found.size) == (0, 0)


def test_a_strip_is_plain_json():
    found = strip(Stages(), {"vision": picture()})
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["sense"] == "vision"
    assert told["layers"][0]["resolution"] == [32, 32]
    assert told["layers"][0]["title"] == "32 × 32"
    assert "values" not in told["layers"][0]


class Patches(nn.Module):
    """A transformer's frame: 4 x 4 patches behind a class token, three layers, the class token answers."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.modalities = {"vision": EYES}
        self.embed = nn.Conv2d(3, 8, 8, 8)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(3))
        self.answer = nn.Linear(8, 2)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = self.embed(inputs["vision"].flatten(0, 1)).flatten(2).transpose(1, 2)
        x = torch.cat((torch.zeros_like(x[:, :1]), x), 1)
        for layer in self.layers:
            x = layer(x)
        return self.answer(x[:, 0])


def test_of_a_transformer_patches_are_laid_out_without_the_class_token():
    found = strip(Patches(), {"vision": picture()})
    assert [x.resolution for x in found.layers] == [(4, 4)] * len(found.layers)
    assert [x.layer for x in found.layers if x.layer.count(".") == 1] == ["layers.0", "layers.1", "layers.2"]
    assert found.layers[-1].size == 0  # behind the last layer the class token alone counts
    assert found.layers[0].size > 0


def test_of_a_text_tokens_are_shown():
    class Reader(nn.Module):
        actions = ("STOP", "GO")

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(2)
            self.modalities = {"text": READER}
            self.one, self.two, self.answer = nn.Linear(8, 6), nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.answer(self.two(self.one(inputs["text"])).mean(1))

    found = strip(Reader(), {"text": SENTENCE}, sense="text")
    assert [x.layer for x in found.layers] == ["one", "two"]
    tokens = READER.prepare(SENTENCE).tensor.shape[1]
    assert found.layers[0].values.shape == (1, 1, tokens)
    assert found.layers[0].edges is None
    assert found.layers[0].last == pytest.approx(1)  # linear: each token adds what it adds


@pytest.mark.parametrize(
    ("system", "options", "told"),
    [
        (Toy(lambda i: i["vision"].mean((1, 2, 3, 4)), EYES), {}, "Toy has 0 layers over places of vision"),
        (
            Stages(),
            {"sense": "audio"},
            "6 layers of audio; give 2 or more, and one of the observation's senses: vision",
        ),
        (Stages(), {"count": 1}, "1 layers of vision"),
    ],
)
def test_what_has_no_depths_is_told_in_words(system, options, told: str):
    with pytest.raises(InputError, match=told):
        strip(system, {"vision": picture()}, **options)


def test_layers_behind_a_cut_are_refused():
    class Cut(Stages):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            with torch.no_grad():
                return super().forward(inputs)

    with pytest.raises(InputError, match="no gradient arrives at one, two"):
        strip(Cut(), {"vision": picture()}, count=5)


def test_courier_goes_from_112_cells_a_side_to_7():
    courier = load()
    prepared = prepare(courier, courier.example())
    found = depths(courier, prepared, Target(2))
    assert [x.resolution[0] for x in found.layers] == [112, 56, 28, 14, 14, 7]
    assert [x.layer.removeprefix("eyes.network.") for x in found.layers] == [
        "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4", "bn2",
    ]  # fmt: skip
    assert all(x.size > 0.1 for x in found.layers)  # also before the head's layer norm
    assert found.target == "STOP against the rest"
    # The last map is the gradient in the features that Courier decides on, times their change.
    features = {m: courier.encode(m, p.tensor) for m, p in prepared.items()}
    x = features["vision"].detach().requires_grad_()
    (g,) = torch.autograd.grad(Target(2)(courier.decide({**features, "vision": x}))[0], x)
    with torch.no_grad():
        change = x - courier.encode("vision", prepared["vision"].baseline)
    np.testing.assert_allclose(found.layers[-1].values, (g * change)[0].sum(1).detach(), rtol=1e-3, atol=1e-4)
