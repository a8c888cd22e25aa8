"""Speech recognisers that emit labels frame by frame."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torchaudio.models import wav2vec2_model

import veridical
from tests.toys import BURST, RATE, TONE, sound
from veridical.errors import InputError
from veridical.modalities.adapters.ctc import wrap_ctc_frame, wrap_ctc_transcript
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

LABELS = ("-", "|", "A", "B")
FRAMES = 4


class Emitting(nn.Module):
    """Emissions that are a linear function of the waveform: four frames of four labels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(RATE // FRAMES, len(LABELS)) / 20)

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor | None]:
        return wave.reshape(len(wave), FRAMES, -1) @ self.weight, None


def recogniser() -> nn.Module:
    """torchaudio's wav2vec 2.0 with random weights, small."""
    torch.manual_seed(0)
    return wav2vec2_model(
        "group_norm", [(8, 10, 5), (8, 8, 8)], False, 16, 0.0, 8, 2, 1, 2, 0.0, 32, 0.0, 0.0, False, 0.0, 4
    )


MODEL = Emitting()
WAVE = torch.from_numpy(sound())[None]


@pytest.mark.parametrize(("at", "frame"), [(0.0, 0), (0.24, 0), (0.26, 1), (0.6, 2), (1.0, 3)])
def test_the_frame_nearest_the_moment_is_scored(at: float, frame: int):
    system = wrap_ctc_frame(MODEL, LABELS, at, rate=RATE)
    assert system.actions == LABELS
    torch.testing.assert_close(system({"audio": WAVE}), MODEL(WAVE)[0][:, frame])


def test_only_the_samples_of_that_frame_have_a_gradient():
    slope = Scorer(wrap_ctc_frame(MODEL, LABELS, 0.6, rate=RATE), Target(2, against=0)).gradient({"audio": WAVE})
    each = slope.values["audio"].reshape(FRAMES, -1)
    torch.testing.assert_close(each[2], (MODEL.weight[:, 2] - MODEL.weight[:, 0]).detach())
    assert each[[0, 1, 3]].count_nonzero() == 0


def collapse(path: tuple[int, ...]) -> str:
    kept = [label for k, label in enumerate(path) if label != 0 and (k == 0 or path[k - 1] != label)]
    return "".join(LABELS[label] for label in kept)


def test_transcripts_have_the_sum_over_all_their_alignments():
    probabilities = MODEL(WAVE)[0][0].detach().softmax(-1)
    texts = ["A", "AB", "AA", "B|A"]
    by_hand = dict.fromkeys(texts, 0.0)
    for path in product(range(4), repeat=FRAMES):  # all 256 of them
        if collapse(path) in by_hand:
            by_hand[collapse(path)] += float(
                torch.stack([probabilities[k, label] for k, label in enumerate(path)]).prod()
            )
    system = wrap_ctc_transcript(MODEL, LABELS, texts, rate=RATE)
    found = system({"audio": WAVE})[0].exp().tolist()
    assert found == pytest.approx([*by_hand.values(), 1 - sum(by_hand.values())], rel=1e-4)
    assert system.actions == ("A", "AB", "AA", "B|A", "anything else")


def test_a_transcript_that_is_certain_has_finite_scores_and_a_gradient():
    class Sure(nn.Module):
        def forward(self, wave: Tensor) -> Tensor:
            told = torch.zeros(len(wave), 1, 4).index_fill(2, torch.tensor([2]), 60.0)
            return told + wave.sum(1)[:, None, None] * torch.tensor([0.0, 0.0, 1.0, 0.0])

    scorer = Scorer(wrap_ctc_transcript(Sure(), LABELS, ["A"], rate=RATE), Target(0))
    slopes = scorer.gradient({"audio": torch.zeros(1, RATE)})
    assert slopes.scores.isfinite().all()


def test_torchaudios_models_are_wrapped_as_they_are():
    model = recogniser()
    frame = wrap_ctc_frame(model, LABELS, at=0.5, rate=RATE)
    spelt = wrap_ctc_transcript(model, LABELS, ["AB", "BA"], rate=RATE)
    for system in (frame, spelt):
        slopes = Scorer(system, Target(0)).gradient({"audio": WAVE.repeat(2, 1)})
        torch.testing.assert_close(slopes.values["audio"][0], slopes.values["audio"][1])
        assert slopes.values["audio"].abs().sum() > 0
    frames = model.eval()(WAVE)[0]
    torch.testing.assert_close(frame({"audio": WAVE}), frames[:, int(0.5 * frames.shape[1])])


def test_a_label_is_explained_by_the_sound_at_its_time():
    class Hearing(nn.Module):
        def forward(self, wave: Tensor) -> tuple[Tensor, None]:
            heard = (wave * TONE).reshape(len(wave), 8, -1).sum(2) / float(TONE @ TONE)
            return torch.stack((torch.zeros_like(heard), 16 * heard - 3), 2), None

    system = wrap_ctc_frame(Hearing().eval(), ("-", "A"), at=0.55, rate=RATE)
    found = veridical.explain(system, {"audio": sound()})
    assert found.decision == "A"
    first, last = found.claims[0]["time"]
    assert first < BURST.stop / RATE
    assert last > BURST.start / RATE


def test_moments_and_transcripts_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"the recording ends at 1 s, before the moment asked for, 1.5 s"):
        wrap_ctc_frame(MODEL, LABELS, 1.5, rate=RATE)({"audio": WAVE})
    with pytest.raises(InputError, match=r"at -1\.0 s; give seconds"):
        wrap_ctc_frame(MODEL, LABELS, -1.0)
    with pytest.raises(InputError, match=r"'AC' cannot be spelt; \['C'\] is none of '\|AB'"):
        wrap_ctc_transcript(MODEL, LABELS, ["AC"])
    with pytest.raises(InputError, match="'' cannot be spelt"):
        wrap_ctc_transcript(MODEL, LABELS, [""])
    with pytest.raises(InputError, match="blank 4 of 4 labels"):
        wrap_ctc_transcript(MODEL, LABELS, ["A"], blank=4)
    with pytest.raises(InputError, match="give at least one, as a list"):
        wrap_ctc_transcript(MODEL, LABELS, "AB")
    with pytest.raises(InputError, match="'AAA' needs 5 frames, the recording gives 4; it is too short"):
        wrap_ctc_transcript(MODEL, LABELS, ["AAA"], rate=RATE)({"audio": WAVE})


def test_a_model_without_frames_is_refused():
    with pytest.raises(InputError, match=r"emissions are of shape \(1, 8000\); \(batch, frames, labels\)"):
        wrap_ctc_frame(nn.Identity(), LABELS, 0.5, rate=RATE)({"audio": WAVE})
