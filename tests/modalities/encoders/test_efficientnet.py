import copy

import numpy as np
import pytest
import skimage.data
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from veridical.errors import InputError
from veridical.modalities.encoders.efficientnet import EfficientNetLite0, load_efficientnet_lite0
from veridical.modalities.weights import fetch


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite0:
    return load_efficientnet_lite0()


def photograph(name: str) -> torch.Tensor:
    image = Image.fromarray(getattr(skimage.data, name)()).resize((224, 224), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(
    ("name", "label", "probability"), [("cat", "Egyptian cat", 0.763), ("coffee", "espresso", 0.823)]
)
def test_photographs_are_recognised(encoder, name, label, probability):
    scores = encoder.classify(encoder.features(photograph(name))).softmax(-1)[0]
    assert encoder.class_names[int(scores.argmax())] == label
    assert float(scores.max()) == pytest.approx(probability, abs=0.005)


def test_the_shapes_are_as_said(encoder):
    features = encoder.features(torch.rand(2, 3, 224, 224))
    assert features.shape == (2, 1280, 7, 7)
    assert encoder.classify(features).shape == (2, 1000)


def test_no_images_give_no_features(encoder):
    features = encoder.features(torch.zeros(0, 3, 224, 224))
    assert features.shape == (0, 1280, 7, 7)
    assert encoder.classify(features).shape == (0, 1000)


def test_logits_are_the_dense_layer_on_the_mean_of_the_maps(encoder):
    features = torch.rand(3, 1280, 7, 7)
    dense = encoder.network.classifier
    torch.testing.assert_close(encoder.classify(features), features.mean((-1, -2)) @ dense.weight.T + dense.bias)


def test_class_names_are_short_and_unique(encoder):
    names = encoder.class_names
    assert len(set(names)) == len(names) == 1000
    assert (names[0], names[134], names[517]) == ("tench", "crane (bird)", "crane (machine)")


def test_nothing_is_trained(encoder):
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(tensor.is_meta for tensor in (*encoder.parameters(), *encoder.buffers()))


def test_the_gradient_is_the_slope_along_a_direction(encoder):
    exact = copy.deepcopy(encoder).double()
    x = photograph("cat").double()
    direction = 1e-9 * torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(exact.classify(exact.features(x))[0, 285], x)
    with torch.no_grad():
        ends = exact.classify(exact.features(torch.cat([x + direction, x - direction])))[:, 285]
    assert float((gradient * direction).sum()) == pytest.approx(float(ends[0] - ends[1]) / 2, rel=1e-4)


def test_activations_are_left_as_they_were(encoder):
    layer = encoder.network.bn1
    seen = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    encoder.features(photograph("cat"))
    handle.remove()
    before, after = seen[0]
    assert float(before.min()) < 0
    torch.testing.assert_close(after, before.clamp(0, 6))


def test_loading_twice_gives_the_same_encoder_and_no_random_number_is_drawn(encoder):
    state = torch.get_rng_state()
    load_efficientnet_lite0.cache_clear()
    again = load_efficientnet_lite0()
    assert torch.equal(torch.get_rng_state(), state)
    assert load_efficientnet_lite0() is again
    assert all(
        torch.equal(a, b) for a, b in zip(encoder.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_an_image_of_another_size_is_refused(encoder):
    with pytest.raises(InputError, match=r"takes \(batch, 3, 224, 224\), got \(1, 3, 256, 256\); resize first"):
        encoder.features(torch.zeros(1, 3, 256, 256))


def test_folding_the_norms_changes_nothing_but_rounding() -> None:
    folder = fetch("efficientnet-lite0")
    plain = timm.create_model("tf_efficientnet_lite0").eval()
    plain.load_state_dict(load_file(folder / "model.safetensors"))
    encoder = load_efficientnet_lite0()
    assert not [m for m in encoder.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = plain((x - encoder.mean) / encoder.std)
        torch.testing.assert_close(encoder.classify(encoder.features(x)), expected, atol=1e-4, rtol=1e-4)
