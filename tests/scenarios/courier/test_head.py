"""The trained head: its promises, whatever its parameters are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from veridical.errors import InputError
from veridical.scenarios.courier.head import CourierHead, HeadSize

TINY = HeadSize(vision=5, audio=6, text=4, width=8, heads=2, slots=2, cells=2)
KINKED = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.MaxPool2d)


def make_head(size: HeadSize = TINY) -> CourierHead:
    torch.manual_seed(1)
    return CourierHead(size).double().eval()


def make_features(batch: int = 2, size: HeadSize = TINY, seed: int = 0) -> dict[str, Tensor]:
    make = torch.Generator().manual_seed(seed)
    shapes = {
        "vision": (batch, 3, size.vision, size.cells, size.cells),
        "audio": (batch, 6, size.audio),
        "text": (batch, 7, size.text),
    }
    return {m: torch.randn(shape, generator=make, dtype=torch.double) for m, shape in shapes.items()}


def test_it_has_a_million_parameters_at_most():
    assert sum(p.numel() for p in CourierHead().parameters()) <= 1_000_000


def test_scores_are_four_for_each_member_of_the_batch():
    assert make_head()(make_features(3)).shape == (3, 4)


def test_members_of_a_batch_do_not_mix():
    head, features = make_head(), make_features(3)
    alone = [head({m: x[i : i + 1] for m, x in features.items()}) for i in range(3)]
    torch.testing.assert_close(head(features), torch.cat(alone))


@pytest.mark.parametrize("many", ["vision", "audio", "text"])
def test_batches_of_one_are_broadcast(many):
    head, every = make_head(), make_features(3)
    features = {m: x if m == many else x[:1] for m, x in every.items()}
    expanded = {m: x.expand(3, *x.shape[1:]) for m, x in features.items()}
    torch.testing.assert_close(head(features), head(expanded))


def test_padding_rows_change_nothing():
    head, features = make_head(), make_features()
    longer = {**features, "text": torch.cat((features["text"], torch.zeros(2, 9, TINY.text).double()), 1)}
    torch.testing.assert_close(head(longer), head(features))


@pytest.mark.parametrize("gone", [("text",), ("audio",), ("vision",), ("vision", "text"), ("audio", "text")])
def test_a_sense_of_zeros_is_a_sense_left_out(gone):
    head, features = make_head(), make_features()
    zeros = {m: torch.zeros_like(x) if m in gone else x for m, x in features.items()}
    left_out = {m: x for m, x in features.items() if m not in gone}
    torch.testing.assert_close(head(zeros), head(left_out))


def test_the_order_in_which_senses_are_given_does_not_matter():
    head, features = make_head(), make_features()
    torch.testing.assert_close(head(dict(reversed(features.items()))), head(features))


def test_words_matter_as_a_set_and_frames_and_windows_in_their_order():
    head, features = make_head(), make_features()
    scores = head(features)
    torch.testing.assert_close(head({**features, "text": features["text"].flip(1)}), scores)
    for m in ("vision", "audio"):
        assert (head({**features, m: features[m].flip(1)}) - scores).abs().max() > 1e-6


def test_where_a_cell_lies_matters():
    head, features = make_head(), make_features()
    assert (head({**features, "vision": features["vision"].flip(-1)}) - head(features)).abs().max() > 1e-6


def test_it_is_smooth_and_draws_no_lots():
    parts = list(CourierHead().modules())
    assert not any(isinstance(part, (*KINKED, nn.Dropout)) for part in parts)
    assert any(isinstance(part, nn.SiLU) for part in parts)


def test_it_is_differentiable_twice():
    head = make_head().requires_grad_(False)
    features = {m: x.requires_grad_() for m, x in make_features(1).items()}
    names, values = list(features), tuple(features.values())

    def scores(*x: Tensor) -> Tensor:
        return head(dict(zip(names, x, strict=True)))

    assert torch.autograd.gradcheck(scores, values, fast_mode=True)
    assert torch.autograd.gradgradcheck(scores, values, fast_mode=True)


def test_curvature_is_there_for_every_sense():
    head = make_head().requires_grad_(False)
    features = {m: x.requires_grad_() for m, x in make_features(1).items()}
    gradients = torch.autograd.grad(head(features)[0, 2], list(features.values()), create_graph=True)
    bent = torch.autograd.grad([(g**2).sum() for g in gradients], list(features.values()))
    assert all(g.abs().max() > 0 for g in (*gradients, *bent))


def tokens_at(head: CourierHead, features: dict[str, Tensor], step: int) -> Tensor:
    """What the slots attend to in one step, hidden tokens left out."""
    parts = {}
    for m, x in features.items():
        x = x.flatten(3).transpose(2, 3) if m == "vision" else x
        parts[m] = head.project[m](x), (x == 0).all(-1)
    tokens, hidden = head._at(parts, head._schedule(features)[step])
    return tokens[0][~hidden[0]]


@pytest.mark.parametrize("step", range(3))
def test_a_step_attends_to_its_frame_its_sound_windows_every_word_and_nothing(step):
    """Window w lasts from 0.48 w to 0.48 w + 0.975 s: 0-2 begin in the first second, 1-4 are heard in the second..."""
    head, features = make_head(), make_features(1)
    heard = {0: {0, 1, 2}, 1: {1, 2, 3, 4}, 2: {3, 4, 5}}[step]
    before = tokens_at(head, features, step)
    assert len(before) == TINY.cells**2 + len(heard) + 7 + 1
    assert not before[-1].any()
    for window in range(6):
        changed = features["audio"].clone()
        changed[:, window] += 1
        after = tokens_at(head, {**features, "audio": changed}, step)
        assert (not torch.equal(before, after)) == (window in heard)
    for frame in range(3):
        changed = features["vision"].clone()
        changed[:, frame] += torch.randn(TINY.vision, 1, 1).double()
        after = tokens_at(head, {**features, "vision": changed}, step)
        assert (not torch.equal(before, after)) == (frame == step)


def test_the_last_frame_stays_while_there_is_more_to_hear():
    head, features = make_head(), make_features(1)
    one = {**features, "vision": features["vision"][:, :1]}
    three = {**features, "vision": features["vision"][:, :1].expand(-1, 3, -1, -1, -1)}
    torch.testing.assert_close(head(one), head(three))


def test_memory_carries_the_first_step_to_the_scores():
    head, features = make_head(), make_features(1)
    changed = {m: x.clone() for m, x in features.items()}
    changed["vision"][:, 0] = torch.randn_like(changed["vision"][:, 0])
    assert (head(changed) - head(features)).abs().max() > 1e-6


@pytest.mark.parametrize(("senses", "told"), [((), "none"), (("vision", "smell"), "vision, smell")])
def test_no_sense_and_an_unknown_sense_are_refused(senses, told):
    with pytest.raises(InputError, match=rf"^courier: senses given: {told}; give at least one of vision, audio, text"):
        make_head()({m: torch.zeros(1, 3, 5) for m in senses})


@pytest.mark.parametrize("senses", [("vision", "audio", "text"), ("audio", "text"), ("vision",), ("text",)])
def test_unrolled_steps_end_in_the_scores_of_the_head(senses):
    head, features = make_head(), {m: x for m, x in make_features(2).items() if m in senses}
    unrolled = head.unroll(features)
    state = unrolled.start
    for inputs in unrolled.inputs:
        state = unrolled.advance(state, inputs)
    torch.testing.assert_close(unrolled.read(state), head(features))
    for inputs, origins in zip(unrolled.inputs, unrolled.origins, strict=True):
        for m, x in inputs.items():
            assert torch.equal(x, features[m][:, origins[m].tolist()])


def test_a_state_given_is_carried_on():
    head, features = make_head(), make_features(1)
    whole = head.unroll(features)
    half = whole.advance(whole.start, whole.inputs[0])
    assert torch.equal(head.unroll(features, half).start, half)


def test_attention_of_a_step_sums_to_one_less_what_goes_to_nothing():
    head, features = make_head(), make_features(2)
    for k, step in enumerate(head.attention(features)):
        whole = torch.stack([weights.flatten(1).sum(1) for weights in step.values()]).sum(0)
        assert (whole < 1).all()
        assert (whole > 0.2).all()
        assert step["vision"].shape == (2, 3, TINY.cells, TINY.cells)
        assert step["vision"].flatten(2).sum(2).count_nonzero() == 2, "one frame a step"
        assert bool(step["vision"][:, k].any())


def test_attention_is_even_where_keys_are_the_same():
    head, features = make_head(), make_features(1)
    with torch.no_grad():
        head.key.weight.zero_()
        head.key.bias.zero_()
    first = head.attention(features)[0]
    count = TINY.cells**2 + 3 + features["text"].shape[1] + 1
    torch.testing.assert_close(first["text"], torch.full_like(first["text"], 1 / count))
