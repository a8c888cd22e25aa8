"""Times of words from emissions whose alignment is known."""

from __future__ import annotations

import sys
from itertools import groupby, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from veridical.errors import InputError
from veridical.modalities.ctc_alignment import LabelSpan, align_ctc, align_ctc_words

FRAME = 0.02
LABELS = ("-", "|", "G", "O", "L", "E", "F", "T")


def emitted(path: str, sure: float = 0.9) -> Tensor:
    """Log-probabilities in which each frame's label is known."""
    rest = (1 - sure) / (len(LABELS) - 1)
    probabilities = torch.full((len(path), len(LABELS)), rest)
    probabilities[range(len(path)), [LABELS.index(c) for c in path]] = sure
    return probabilities.log()


def spelt(text: str) -> list[int]:
    return [LABELS.index(c) for c in text]


def test_labels_stand_where_they_were_emitted():
    found = align_ctc(emitted("--GG-O|--L-"), spelt("GO|L"), frame_seconds=FRAME)
    frames = [(round(s.start / FRAME), round(s.end / FRAME)) for s in found]
    assert frames == [(2, 4), (5, 6), (6, 7), (9, 10)]
    assert [s.labels for s in found] == [(2,), (3,), (1,), (4,)]
    assert [s.probability for s in found] == pytest.approx([0.9] * 4)


def test_words_last_from_their_first_label_to_their_last():
    found = align_ctc_words(emitted("-GG-O-|LE-F-TT-"), spelt("GO|LEFT"), separator=1, frame_seconds=FRAME)
    assert [(s.labels, round(s.start, 6), round(s.end, 6)) for s in found] == [
        ((2, 3), 0.02, 0.1),
        ((4, 5, 6, 7), 0.14, 0.28),
    ]


def test_a_words_probability_is_the_geometric_mean_over_its_frames():
    emissions = emitted("GOO")
    emissions[2] = emitted("O", 0.5)[0]
    (word,) = align_ctc_words(emissions, spelt("GO"), separator=1, frame_seconds=FRAME)
    assert word.probability == pytest.approx((0.9 * 0.9 * 0.5) ** (1 / 3), rel=1e-6)


def test_a_label_that_stands_twice_has_a_blank_between():
    found = align_ctc(emitted("-L-L"), spelt("LL"), frame_seconds=1.0)
    assert [(s.start, s.end) for s in found] == [(1, 2), (3, 4)]


def test_what_the_emissions_contradict_is_aligned_all_the_same_and_says_so():
    found = align_ctc(emitted("---"), spelt("T"), frame_seconds=1.0)
    assert found[0].probability == pytest.approx(0.1 / 7)


def spells(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in groupby(path) if label)


@given(st.integers(1, 6), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_no_path_that_spells_the_same_is_likelier(frames: int, tokens: list[int], seed: int):
    emissions = torch.randn(frames, 4, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
    paths = [p for p in product(range(4), repeat=frames) if spells(p) == tuple(tokens)]
    if not paths:
        with pytest.raises(InputError, match="too short"):
            align_ctc(emissions, tokens, frame_seconds=1.0)
        return
    best = max(paths, key=lambda p: float(emissions[range(frames), p].sum()))
    found = align_ctc(emissions, tokens, frame_seconds=1.0)
    ours = [0] * frames
    for span in found:
        ours[round(span.start) : round(span.end)] = [span.labels[0]] * round(span.end - span.start)
    assert [s.labels[0] for s in found] == tokens
    assert float(emissions[range(frames), ours].sum()) == pytest.approx(float(emissions[range(frames), best].sum()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_emissions_of_other_precisions_are_aligned(dtype):
    found = align_ctc(emitted("-G-O-").to(dtype), spelt("GO"), frame_seconds=1.0)
    assert [(s.start, s.end) for s in found] == [(1, 2), (3, 4)]


def test_another_blank_and_emissions_with_a_gradient():
    emissions = emitted("T-TG").requires_grad_()
    found = align_ctc(emissions, spelt("-G"), frame_seconds=1.0, blank=7)
    assert [(s.labels, s.start) for s in found] == [((0,), 1), ((2,), 3)]


def test_no_tokens_have_no_spans():
    assert align_ctc(emitted("--"), [], frame_seconds=FRAME) == ()
    assert align_ctc_words(emitted("--"), [], separator=1, frame_seconds=FRAME) == ()
    assert align_ctc_words(emitted("-|-"), [1], separator=1, frame_seconds=FRAME) == ()


def test_one_frame_is_enough_for_one_label():
    sure = torch.tensor([[-torch.inf, 0.0]])
    assert align_ctc(sure, [1], frame_seconds=0.5) == (LabelSpan((1,), 0.0, 0.5, 1.0),)


def test_what_has_no_probability_is_refused():
    emissions = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]])
    with pytest.raises(InputError, match="the transcript has probability 0 under the emissions"):
        align_ctc(emissions, [1], frame_seconds=FRAME)


@pytest.mark.parametrize(
    ("emissions", "tokens", "options", "message"),
    [
        (
            emitted("-GG"),
            spelt("LL|L"),
            {},
            "4 tokens need 5 frames .*, the recording gives 3; it is too",
        ),
        (emitted(""), spelt("G"), {}, "1 tokens need 1 frames .*the recording gives 0"),
        (emitted("-G"), [8], {}, "token 8; labels are 0 to 7, without the blank, 0"),
        (emitted("-G"), [-1], {}, "token -1; labels are 0 to 7"),
        (emitted("-G"), [0], {}, "token 0; labels are 0 to 7, without the blank, 0"),
        (emitted("-G"), [2], {"blank": 8}, "blank 8 of 8 labels"),
        (emitted("-G"), [2], {"frame_seconds": 0.0}, "frames of 0.0 s; give the seconds"),
        (emitted("-G"), [2], {"frame_seconds": float("nan")}, "frames of nan s"),
        (emitted("-G").exp(), [2], {}, "no log-probabilities; take log_softmax"),
        (emitted("-G")[None], [2], {}, r"emissions of shape .1, 2, 8.; give one recording's"),
        (emitted("-G") - 1, [2], {}, "no log-probabilities"),
        (emitted("-G") * float("nan"), [2], {}, "no log-probabilities"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_aligned_is_refused_in_words(emissions, tokens, options, message):
    with pytest.raises(InputError, match=message):
        align_ctc(emissions, tokens, **{"frame_seconds": FRAME, **options})


@pytest.mark.parametrize("separator", [-1, 0, 8])
def test_a_separator_that_is_no_label_is_refused(separator: int):
    with pytest.raises(InputError, match=f"separator {separator}; give a label below 8, not the blank"):
        align_ctc_words(emitted("-G"), [2], separator=separator, frame_seconds=FRAME)


def test_without_torchaudio_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio.functional", None)
    with pytest.raises(InputError, match=r"torchaudio is not installed; pip install 'veridical\[adapters\]'"):
        align_ctc(emitted("-G"), [2], frame_seconds=FRAME)
