"""Attention rollout, and rollout weighted by gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.toys import EYES, READER, SENTENCE, Toy, picture, reads_cat
from veridical.errors import InputError
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.engines.attention import (
    AttentionRollout,
    GradientWeightedAttention,
    Read,
    attention_rollout,
    gradient_weighted_attention,
)
from veridical.modalities.engines.interception.captured import capture_attention
from veridical.modalities.engines.task import LayerMap, Task, UnitValues
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.text import Text

torch.manual_seed(0)


class Module(nn.Module):
    """A system that is a torch module: one sense, two actions."""

    actions = ("STOP", "GO")

    def __init__(self, sense, network: nn.Module) -> None:
        super().__init__()
        self.modalities, self.sense, self.network = {sense.name: sense}, sense.name, network
        self.eval().requires_grad_(False)

    def forward(self, inputs) -> Tensor:
        return self.network(inputs[self.sense])


class Reader(nn.Module):
    """Transformer layers over the tokens, and a head on the first."""

    def __init__(self, layers: int = 2, heads: int = 2) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, heads, 16, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)[:, 0])


class Looker(nn.Module):
    """One layer of one head whose weights are given by hand: keys are read off the input's first feature."""

    def forward(self, x: Tensor) -> Tensor:
        weights = F.softmax(x[:, None, :, :1] @ x[:, None, :, :1].transpose(-2, -1), -1)
        seen = (weights @ x[:, None])[:, 0, 0]
        return torch.stack((seen.sum(1), 0 * seen.sum(1)), 1)


def task(system, observation, action: int = 0) -> Task:
    return Task(Scorer(system, Target(action)), prepare(system, observation))


def words(answer) -> np.ndarray:
    assert isinstance(answer, UnitValues)
    return answer.values["text"]


def weights(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(-1)


def test_rollout_of_two_layers_by_hand():
    first, second = weights(1, 1, 3, 3), weights(2, 1, 3, 3)[1:]
    own = torch.eye(3, dtype=torch.float64)
    by_hand = (second[:, 0] + own) / 2 @ ((first[:, 0] + own) / 2)
    torch.testing.assert_close(attention_rollout([first, second]), by_hand, rtol=1e-12, atol=0)


def test_the_gradient_weighted_recursion_by_hand():
    first, second = weights(2, 2, 3, 3).unsqueeze(1).unbind(0)
    slopes = [torch.randn_like(first), torch.randn_like(first)]
    by_hand = torch.eye(3, dtype=torch.float64)[None]
    for a, g in zip((first, second), slopes, strict=True):
        by_hand = by_hand + torch.stack([(a[:, h] * g[:, h]).clamp(min=0) for h in range(2)]).mean(0) @ by_hand
    torch.testing.assert_close(gradient_weighted_attention([first, second], slopes), by_hand, rtol=1e-12, atol=0)


def test_where_no_attention_raises_the_score_only_the_identity_is_left():
    maps = [weights(2, 2, 4, 4)] * 3
    found = gradient_weighted_attention(maps, [-torch.ones_like(m) for m in maps])
    assert torch.equal(found, torch.eye(4, dtype=torch.float64).expand(2, 4, 4))


@settings(max_examples=25, deadline=None)
@given(
    layers=st.integers(1, 4),
    heads=st.integers(1, 3),
    tokens=st.integers(2, 6),
    discard=st.sampled_from([0.0, 0.3, 0.9]),
    head=st.sampled_from(["mean", "max", "min"]),
)
def test_rows_of_a_rollout_sum_to_one_whatever_the_settings(layers, heads, tokens, discard, head):
    maps = list(weights(layers, 2, heads, tokens, tokens))
    rolled = attention_rollout(maps, discard, head)
    torch.testing.assert_close(rolled.sum(-1), torch.ones_like(rolled[..., 0]))
    assert (rolled >= 0).all()


def test_uniform_attention_rolls_out_evenly_over_all_other_tokens():
    uniform = torch.full((1, 2, 5, 5), 0.2)
    rolled = attention_rollout([uniform] * 3)[0]
    # Each layer keeps half, and spreads half: (J/5 + I)/2 to the third is (1 - 1/8) J/5 + I/8.
    torch.testing.assert_close(rolled, (1 - 1 / 8) / 5 + torch.eye(5) / 8)
    torch.testing.assert_close(attention_rollout([uniform] * 60)[0], torch.full((5, 5), 0.2))


def test_discarding_leaves_the_strongest_weights():
    a = torch.tensor([[[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.6, 0.3, 0.1]]]])
    rolled = attention_rollout([a], discard=0.7)[0]
    expected = (torch.tensor([[0.0, 0, 1], [1, 0, 0], [1, 0, 0]]) + torch.eye(3)) / 2
    torch.testing.assert_close(rolled, expected)


def test_rows_of_a_batch_are_independent():
    maps = list(weights(3, 4, 2, 5, 5))
    whole = attention_rollout(maps)
    alone = torch.cat([attention_rollout([m[k : k + 1] for m in maps]) for k in range(4)])
    torch.testing.assert_close(whole, alone)


def test_weights_made_by_hand_are_caught_with_their_gradients():
    x = torch.randn(2, 4, 8)
    found = capture_attention(Scorer(Module(READER, Looker()), Target(0, kind="logit")), {"text": x})
    keys = x[:, :, 0]
    torch.testing.assert_close(found.maps[0][:, 0], (keys[:, :, None] * keys[:, None]).softmax(-1))
    # The score is the sum of the first row's weights times what they look at.
    torch.testing.assert_close(found.gradients[0][:, 0, 0], x.sum(2))
    assert found.gradients[0][:, 0, 1:].count_nonzero() == 0
    assert (found.sense, found.left_out) == ("text", 0)
    torch.testing.assert_close(found.scores, (found.maps[0][:, 0, :1] @ x).sum((1, 2)))


@pytest.mark.parametrize("implementation", ["need_weights", "fused"])
def test_weights_inside_multi_head_attention_are_those_that_torch_returns(implementation: str):
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    x = torch.randn(2, 5, 8)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x, x, x, need_weights=implementation == "need_weights")[0][:, 0, :2]

    found = capture_attention(Scorer(Module(READER, Net()), Target(0)), {"text": x})
    torch.testing.assert_close(found.maps[0], layer(x, x, x, average_attn_weights=False)[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("causal", [True, False])
def test_fused_attention_gives_the_same_scores_and_gradients_as_itself(causal: bool):
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x.unflatten(2, (2, 4)).transpose(1, 2)
            return F.scaled_dot_product_attention(x, x[:, :1], x[:, :1], is_causal=causal, enable_gqa=True).sum((1, 2))[
                :, :2
            ]

    x = torch.randn(2, 5, 8)
    scorer = Scorer(Module(READER, Net()), Target(0))
    found = capture_attention(scorer, {"text": x})
    torch.testing.assert_close(found.scores, scorer.value({"text": x}), rtol=1e-5, atol=1e-5)
    assert found.maps[0].shape == (2, 2, 5, 5)
    torch.testing.assert_close(found.maps[0].sum(-1), torch.ones(2, 2, 5))
    assert bool((found.maps[0].triu(1) == 0).all()) == causal


def test_three_axes_are_rows_and_heads_as_one():
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            split = x.unflatten(2, (2, 4)).transpose(1, 2).flatten(0, 1)
            weights = torch.bmm(split, split.transpose(1, 2)).softmax(dim=2)
            return torch.bmm(weights, split).unflatten(0, (-1, 2)).sum((1, 2))[:, :2]

    found = capture_attention(Scorer(Module(READER, Net()), Target(0)), {"text": torch.randn(3, 5, 8)})
    assert found.maps[0].shape == found.gradients[0].shape == (3, 2, 5, 5)


def test_words_have_the_sum_of_their_tokens_and_special_tokens_are_told():
    asked = task(Module(READER, Reader()), {"text": SENTENCE})
    found = capture_attention(asked.scorer, asked.inputs)
    answer = AttentionRollout().run(asked)
    assert isinstance(answer, UnitValues)
    row = attention_rollout(found.maps)[0, 0].double().numpy()
    labels = asked.segmentations["text"].labels
    expected = [row[labels == k].sum() for k in range(labels.max() + 1)]
    np.testing.assert_allclose(words(answer), expected, rtol=1e-5)
    assert answer.facts["layers"] == 2
    assert words(answer).sum() + answer.facts["share_of_special_tokens"] == pytest.approx(1, abs=1e-5)


def test_what_is_read_is_the_row_asked_for():
    asked = task(Module(READER, Reader()), {"text": SENTENCE})
    found = capture_attention(asked.scorer, asked.inputs)
    rolled = attention_rollout(found.maps)[0].double().numpy()
    total = asked.segmentations["text"].total
    settings: list[tuple[Read, np.ndarray]] = [("first", rolled[0]), ("last", rolled[-1]), ("mean", rolled.mean(0))]
    for read, row in settings:
        answer = AttentionRollout(read=read).run(asked)
        np.testing.assert_allclose(words(answer), total(row), rtol=1e-5)


def test_gradient_weighted_attention_depends_on_the_question_and_rollout_does_not():
    system = Module(READER, Reader())
    stop, go = (task(system, {"text": SENTENCE}, action) for action in (0, 1))
    rolled = [words(AttentionRollout().run(t)) for t in (stop, go)]
    weighed = [words(GradientWeightedAttention().run(t)) for t in (stop, go)]
    np.testing.assert_array_equal(rolled[0], rolled[1])
    assert not np.allclose(weighed[0], weighed[1])
    assert min(w.min() for w in weighed) >= 0


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_minilm_gives_the_same_maps_fused_or_not_and_rolls_out_what_it_returns(implementation: str):
    encoder = copy.deepcopy(load_minilm())
    encoder.network.set_attn_implementation(implementation)
    sense = Text(encoder.tokenizer, encoder.embedding, encoder.max_tokens)

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder.states(x)[:, 0, :2]

    asked = task(Module(sense, Head()), {"text": "stop when the siren comes near"})
    answer = AttentionRollout().run(asked)
    assert answer.facts["layers"] == 6
    assert answer.facts["heads"] == 12
    # The model's own account of its attention, which only its eager form gives.
    network = load_minilm().network
    own = network(inputs_embeds=asked.inputs["text"], output_attentions=True).attentions
    rolled = attention_rollout([a.detach() for a in own])[0, 0].double().numpy()
    np.testing.assert_allclose(words(answer), asked.segmentations["text"].total(rolled), rtol=1e-4)


def test_patches_of_a_vision_transformer_lie_on_their_grid():
    torch.manual_seed(2)
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, num_classes=2, depth=3)

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            return self.network(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)

    asked = task(Module(EYES, Frames()), {"vision": picture(3)})
    answer = GradientWeightedAttention().run(asked)
    assert isinstance(answer, LayerMap)
    assert answer.dims == ("row", "y", "x")
    assert answer.values.shape == (3, 4, 4)
    assert answer.facts["tokens_before_patches"] == 1
    found = capture_attention(asked.scorer, asked.inputs)
    relevance = gradient_weighted_attention(found.maps, found.gradients)
    np.testing.assert_allclose(answer.values.reshape(3, 16), relevance[:, 0, 1:], rtol=1e-5, atol=1e-9)


def test_a_vision_transformer_without_a_class_token_must_be_read_by_its_mean():
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, num_classes=2, depth=1, class_token=False, global_pool="avg"
    )
    system = Toy(lambda inputs: network.eval()(inputs["vision"][:, 0])[:, 0], EYES)
    asked = task(system, {"vision": picture()})
    answer = AttentionRollout(read="mean").run(asked)
    assert isinstance(answer, LayerMap)
    assert answer.values.shape == (1, 4, 4)
    with pytest.raises(InputError, match="no class token"):
        AttentionRollout().run(asked)


def test_attention_inside_windows_is_refused():
    network = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, window_size=4, embed_dim=12, depths=(2, 1), num_heads=(1, 2)
    ).eval()
    system = Toy(lambda inputs: network(inputs["vision"][:, 0])[:, 0], EYES)
    with pytest.raises(InputError, match="inside windows"):
        AttentionRollout().run(task(system, {"vision": picture()}))


def test_an_encoder_called_once_for_each_frame_is_refused():
    reader = Module(READER, Reader())
    twice = Toy(lambda inputs: (reader(inputs) + reader({"text": 2 * inputs["text"]}))[:, 0], READER)
    with pytest.raises(InputError, match="does not build upon the one before"):
        AttentionRollout().run(task(twice, {"text": SENTENCE}))


def test_a_sense_with_attention_is_found_beside_one_without():
    reader = Module(READER, Reader())
    both = Toy(lambda i: reader({"text": i["text"]})[:, 0] + i["vision"].flatten(1).mean(1), EYES, READER)
    answer = AttentionRollout().run(task(both, {"vision": picture(), "text": SENTENCE}))
    assert isinstance(answer, UnitValues)
    assert list(answer.values) == ["text"]
    with pytest.raises(InputError, match=r"no self-attention of vision alone .* there is some of text"):
        AttentionRollout(sense="vision").run(task(both, {"vision": picture(), "text": SENTENCE}))
    with pytest.raises(InputError, match="no sense 'smell'"):
        AttentionRollout(sense="smell").run(task(both, {"vision": picture(), "text": SENTENCE}))


class Crossing(nn.Module):
    """Text and vision, each with self-attention of its own, then attention across."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"vision": EYES, "text": READER}
        self.layers = nn.ModuleList(nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(4))
        self.eval().requires_grad_(False)

    def forward(self, inputs) -> Tensor:
        seen = inputs["vision"][:, 0, :, ::8, ::4].flatten(1).unflatten(1, (-1, 8))
        read = inputs["text"]
        seen = seen + self.layers[0](seen, seen, seen)[0]
        read = read + self.layers[1](read, read, read)[0]
        whole = torch.cat((self.layers[2](read, seen, seen)[0], seen), 1)
        return self.layers[3](whole, whole, whole)[0].sum(1)[:, :2]


def test_attention_across_senses_is_left_out_and_told_and_a_sense_must_be_named():
    asked = task(Crossing(), {"vision": picture(), "text": SENTENCE})
    with pytest.raises(InputError, match=r"vision, text each have self-attention; name one by sense="):
        GradientWeightedAttention().run(asked)
    answer = GradientWeightedAttention(sense="text").run(asked)
    assert answer.facts["layers"] == 1
    assert answer.facts["layers_left_out"] == 3
    assert "3 attention layers are left out" in answer.notes[0]
    assert AttentionRollout(sense="vision").run(asked).facts["tokens"] == 12


def test_a_system_without_attention_is_told_so_and_left_alone():
    asked = task(Toy(reads_cat, READER), {"text": SENTENCE})
    with pytest.raises(InputError, match="no self-attention is to be seen"):
        AttentionRollout().run(asked)
    assert torch.overrides._len_torch_function_stack() == 0  # type: ignore[reportPrivateImportUsage]
    blind = Toy(lambda inputs: inputs["text"].detach().sum((1, 2)), READER)
    with pytest.raises(InputError, match="no gradient reaches any input"):
        AttentionRollout().run(task(blind, {"text": SENTENCE}))


def test_the_system_is_as_it_was_before():
    system = Module(READER, Reader())
    system.train()
    before = copy.deepcopy(system.state_dict())
    first = words(GradientWeightedAttention().run(task(system, {"text": SENTENCE})))
    again = words(GradientWeightedAttention().run(task(system, {"text": SENTENCE})))
    np.testing.assert_array_equal(first, again)  # dropout was off
    assert all(m.training for m in system.modules())
    assert all(torch.equal(before[k], v) for k, v in system.state_dict().items())
    assert not any(m._forward_hooks or m._backward_hooks for m in system.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"discard": 1.0}, "discard=1.0; a share from 0 to below 1"),
        ({"head": "median"}, "head 'median'; one of mean, max, min"),
        ({"read": "second"}, "read 'second'; one of first, mean, last"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_out_of_range_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        AttentionRollout(**options)
    if "read" in options:
        with pytest.raises(InputError, match="gradient-weighted-attention: " + message):
            GradientWeightedAttention(**options)
