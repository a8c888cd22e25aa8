import math

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from scipy.signal import resample_poly

from veridical.errors import InputError
from veridical.modalities import weights
from veridical.modalities.encoders.yamnet import (
    HOP_SAMPLES,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    YAMNet,
    load_yamnet,
    mel_filterbank,
)


@pytest.fixture(scope="module")
def encoder() -> YAMNet:
    return load_yamnet()


@pytest.fixture(scope="module")
def tone() -> torch.Tensor:
    """440 Hz at half of full scale, 1.25 s."""
    return (0.5 * torch.sin(2 * math.pi * 440 * torch.arange(20_000, dtype=torch.float64) / SAMPLE_RATE)).float()[None]


def test_the_log_mel_spectrum_is_that_of_the_reference(encoder, tone):
    """Figures of the published checkpoint, run by TensorFlow 2.21 on the same tone."""
    padded = torch.nn.functional.pad(tone, (0, WINDOW_SAMPLES + HOP_SAMPLES - 20_000))
    spectrum = encoder.log_mel(padded)[0]
    assert spectrum.shape == (144, 64)
    expected = torch.tensor([-4.210284, 1.790616, -0.54301125, -1.6024655, -6.898506])
    torch.testing.assert_close(spectrum[0, [0, 10, 11, 12, 63]], expected, atol=2e-3, rtol=0)
    assert float(spectrum[-1].max()) == pytest.approx(math.log(0.001))
    assert float(spectrum.mean()) == pytest.approx(-5.1207943, abs=1e-3)


def test_embeddings_and_classes_are_those_of_the_reference(encoder, tone):
    """Figures of the published checkpoint, run by TensorFlow 2.21 on the same tone."""
    embeddings = encoder.embed(tone)[0]
    assert embeddings.shape == (2, 1024)
    expected = torch.tensor([[8.860935, 8.216648, 7.76446, 6.5980167], [8.153253, 8.203718, 7.939461, 5.3963203]])
    torch.testing.assert_close(embeddings[:, [326, 967, 55, 390]], expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(embeddings.sum(1), torch.tensor([162.81302, 160.78464]), atol=0.05, rtol=0)
    scores = encoder.classify(embeddings[None]).sigmoid()[0]
    assert scores[0].topk(3).indices.tolist() == [383, 387, 382]
    torch.testing.assert_close(scores[0, [383, 387, 382]], torch.tensor([0.99657, 0.98990, 0.97733]), atol=1e-3, rtol=0)


def test_the_filterbank_is_tensorflows():
    """Figures of ``tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125, 7500)``."""
    bank = mel_filterbank()
    assert bank.shape == (257, 64)
    assert int((bank > 0).sum()) == 461
    sums = torch.tensor([0.9476916, 1.9743047, 3.9803903, 8.94418])
    torch.testing.assert_close(bank.sum(0)[[0, 20, 40, 63]], sums, atol=1e-4, rtol=0)
    assert bank[[5, 20, 100, 200]].argmax(1).tolist() == [0, 12, 42, 59]


def test_torchaudios_filterbank_is_close_but_not_the_same():
    other = torchaudio.functional.melscale_fbanks(257, 125.0, 7500.0, 64, SAMPLE_RATE, norm=None, mel_scale="htk")
    assert 0.004 < float((mel_filterbank() - other).abs().max()) < 0.005


def test_inside_the_bands_the_triangles_add_up_to_one():
    bank = mel_filterbank()
    frequency = torch.linspace(0, SAMPLE_RATE / 2, 257)
    lit = frequency[bank.sum(1) > 0]
    assert float(lit.min()) >= 125
    assert float(lit.max()) < 7500
    centre = (frequency > 200) & (frequency < 7200)
    torch.testing.assert_close(bank[centre].sum(1), torch.ones(int(centre.sum())), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("samples", "windows"), [(1, 1), (15_600, 1), (15_601, 2), (23_280, 2), (23_281, 3), (960_000, 124)]
)
def test_windows_follow_the_reference_rule(encoder, samples, windows):
    assert encoder.windows(samples) == windows


def test_the_end_is_filled_up_with_silence(encoder, tone):
    whole = torch.nn.functional.pad(tone, (0, WINDOW_SAMPLES + HOP_SAMPLES - 20_000))
    torch.testing.assert_close(encoder.embed(tone), encoder.embed(whole), atol=0, rtol=0)


def test_each_window_is_heard_by_itself(encoder):
    wave = 0.1 * torch.randn(1, WINDOW_SAMPLES + 2 * HOP_SAMPLES, generator=torch.Generator().manual_seed(0))
    windows = [wave[:, k * HOP_SAMPLES : k * HOP_SAMPLES + WINDOW_SAMPLES] for k in range(3)]
    alone = torch.cat([encoder.embed(window) for window in windows], dim=1)
    torch.testing.assert_close(encoder.embed(wave), alone, atol=1e-4, rtol=1e-4)


def test_a_batch_is_heard_as_its_members_are(encoder, tone):
    noise = 0.1 * torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0))
    both = encoder.embed(torch.cat([tone, noise]))
    torch.testing.assert_close(both, torch.cat([encoder.embed(tone), encoder.embed(noise)]), atol=1e-4, rtol=1e-4)


def test_no_waves_give_no_embeddings(encoder):
    assert encoder.embed(torch.zeros(0, 20_000)).shape == (0, 2, 1024)
    assert encoder.log_mel(torch.zeros(0, 560)).shape == (0, 2, 64)
    assert encoder.classify(torch.zeros(0, 2, 1024)).shape == (0, 2, 521)


def test_silence_has_a_finite_gradient(encoder):
    wave = torch.zeros(1, WINDOW_SAMPLES, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        encoder.classify(encoder.embed(wave)).logsumexp(-1).sum(), wave, create_graph=True
    )
    assert torch.isfinite(gradient).all()
    (curvature,) = torch.autograd.grad(gradient.square().sum(), wave)
    assert torch.isfinite(curvature).all()


def test_a_sound_that_starts_in_silence_has_a_finite_gradient(encoder, tone):
    wave = tone.clone()
    wave[:, :5000] = 0
    wave.requires_grad_()
    (gradient,) = torch.autograd.grad(encoder.embed(wave).sum(), wave)
    assert torch.isfinite(gradient).all()
    assert float(gradient[:, 5000:].abs().max()) > 0


def test_the_gradient_is_the_slope_along_a_direction():
    encoder = YAMNet([str(index) for index in range(521)]).double()
    encoder.load_state_dict(load_yamnet().state_dict())
    generator = torch.Generator().manual_seed(0)
    wave = 0.1 * torch.randn(1, WINDOW_SAMPLES, dtype=torch.float64, generator=generator)
    direction = 1e-9 * torch.randn(wave.shape, dtype=torch.float64, generator=generator)
    wave.requires_grad_()
    (gradient,) = torch.autograd.grad(encoder.embed(wave).sum(), wave)
    with torch.no_grad():
        slope = (encoder.embed(wave + direction) - encoder.embed(wave - direction)).sum() / 2
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-4)


def test_bicycle_bells_are_heard_in_the_street(encoder):
    wave, rate = soundfile.read(weights.fetch("yamnet") / "street.wav", dtype="float32")
    assert rate == SAMPLE_RATE
    scores = encoder.classify(encoder.embed(torch.from_numpy(wave)[None])).sigmoid()[0]
    assert scores.shape == (124, 521)
    bell = encoder.class_names.index("Bicycle bell")
    assert int(scores.mean(0).argmax()) == bell
    assert float(scores[:, bell].mean()) == pytest.approx(0.373, abs=0.005)
    assert float(scores[:, bell].max()) > 0.99


def test_a_siren_is_heard(encoder, stamps):
    wave, rate = soundfile.read(stamps / "vehicles/emergency/firetruck.ogg", dtype="float32", always_2d=True)
    mono = resample_poly(wave.mean(1), SAMPLE_RATE, rate).astype(np.float32)
    scores = encoder.classify(encoder.embed(torch.from_numpy(mono)[None])).sigmoid()[0].mean(0)
    top = {encoder.class_names[index] for index in scores.topk(3).indices}
    assert {"Emergency vehicle", "Siren"} <= top


def test_class_names_are_those_of_audioset(encoder):
    assert len(encoder.class_names) == 521
    assert encoder.class_names[:2] == ("Speech", "Child speech, kid speaking")


def test_nothing_is_trained_and_loading_draws_no_random_number(encoder):
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    state = torch.get_rng_state()
    load_yamnet.cache_clear()
    assert load_yamnet() is load_yamnet()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_wave_that_is_too_short_is_refused(encoder):
    with pytest.raises(InputError, match=r"takes \(batch, 1 samples or more\) at 16 kHz, got \(1, 0\)"):
        encoder.embed(torch.zeros(1, 0))
    with pytest.raises(InputError, match=r"takes \(batch, 400 samples or more\) at 16 kHz, got \(1, 399\)"):
        encoder.log_mel(torch.zeros(1, 399))
