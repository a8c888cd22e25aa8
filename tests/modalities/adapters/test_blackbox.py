"""Functions without gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.toys import EYES, picture
from veridical.errors import ContractError, InputError
from veridical.modalities.adapters.blackbox import BlackBox
from veridical.modalities.array import Array
from veridical.modalities.attribution import attribute
from veridical.modalities.contract import System
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

POINT, OTHER = Array("point", [3]), Array("other", [2])
WEIGHTS = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
X = torch.randn(5, 3)


def product(x: np.ndarray) -> np.ndarray:
    return x @ WEIGHTS


def graph(batch: Any = "batch", dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A linear layer, and its softmax as a second output."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)]
    ends = [helper.make_tensor_value_info(name, dtype, [batch, 2]) for name in ("z", "p")]
    start = [helper.make_tensor_value_info("x", dtype, [batch, 3])]
    made = helper.make_graph(nodes, "linear", start, ends, [numpy_helper.from_array(WEIGHTS.astype(kind), "w")])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def session(**options: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph(**options).SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_function_is_a_system():
    box = BlackBox(product, [POINT], ["A", "B"])
    assert isinstance(box, System)
    torch.testing.assert_close(box({"point": X}).float(), X @ torch.from_numpy(WEIGHTS))
    assert box({"point": X[:0]}).shape == (0, 2)


def test_several_senses_come_in_their_order():
    box = BlackBox(lambda a, b: a[:, :2] - b, [POINT, OTHER], ["A", "B"])
    found = box({"other": torch.ones(5, 2), "point": X})
    torch.testing.assert_close(found.float(), X[:, :2] - 1)


def test_of_probabilities_the_logarithm_is_taken_so_that_log_odds_are_theirs():
    def probabilities(x: np.ndarray) -> list[list[float]]:
        return [[0.9, 0.1]] * (len(x) - 1) + [[1.0, 0.0]]

    found = BlackBox(probabilities, [POINT], ["A", "B"], probabilities=True)({"point": X})
    assert float(Target(0)(found)[0]) == pytest.approx(np.log(9))
    assert found.isfinite().all()
    wrong = BlackBox(product, [POINT], ["A", "B"], probabilities=True)
    with pytest.raises(ContractError, match=r"they lie in 0\.\.1"):
        wrong({"point": X})


def test_asked_for_a_gradient_it_names_the_methods_that_need_none():
    scorer = Scorer(BlackBox(product, [POINT], ["A", "B"]), Target(0))
    with pytest.raises(ContractError, match=r"no gradient reaches any input.*black-box methods \(occlusion, RISE"):
        scorer.gradient({"point": X})
    torch.testing.assert_close(scorer.value({"point": X}).float(), X @ torch.from_numpy(WEIGHTS[:, 0] - WEIGHTS[:, 1]))


def test_an_onnx_session_gives_its_first_output_or_the_one_named():
    expected = X @ torch.from_numpy(WEIGHTS)
    found = BlackBox.onnx(session(), [POINT], ["A", "B"])({"point": X})
    torch.testing.assert_close(found.float(), expected)
    named = BlackBox.onnx(session(), [POINT], ["A", "B"], output="p", probabilities=True)({"point": X})
    torch.testing.assert_close(named.float(), expected.log_softmax(1))


def test_an_onnx_file_is_read(tmp_path: Path):
    path = tmp_path / "linear.onnx"
    onnx.save(graph(), path)
    found = BlackBox.onnx(path, [POINT], ["A", "B"])({"point": X})
    torch.testing.assert_close(found.float(), X @ torch.from_numpy(WEIGHTS))


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
def test_a_model_with_a_batch_of_its_own_size_is_run_in_pieces(batch: int):
    found = BlackBox.onnx(session(batch=batch), [POINT], ["A", "B"])({"point": X})
    torch.testing.assert_close(found.float(), X @ torch.from_numpy(WEIGHTS))


@pytest.mark.parametrize("dtype", [TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_inputs_are_brought_to_the_models_precision(dtype: int):
    found = BlackBox.onnx(session(dtype=dtype), [POINT], ["A", "B"])({"point": X})
    torch.testing.assert_close(found.float(), X @ torch.from_numpy(WEIGHTS), rtol=1e-2, atol=1e-2)


def test_feed_makes_the_models_inputs_from_what_is_sensed():
    def feed(frames: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": frames[:, 0].mean((2, 3))}

    box = BlackBox.onnx(session(), [EYES], ["A", "B"], feed=feed)
    frames = prepare(box, {"vision": picture()})["vision"].tensor
    expected = frames[:, 0].mean((2, 3)) @ torch.from_numpy(WEIGHTS)
    torch.testing.assert_close(box({"vision": frames}).float(), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlackBox.onnx(session(), [POINT, OTHER], ["A", "B"]), "2 senses for the inputs x; give one for each"),
        (lambda: BlackBox.onnx(session(), [POINT], ["A", "B"], output="q"), "no output 'q'; the model has z, p"),
        (lambda: BlackBox.onnx("/nowhere/model.onnx", [POINT], ["A", "B"]), "no file '/nowhere/model.onnx'"),
        (lambda: BlackBox.onnx(3, [POINT], ["A", "B"]), "a int is neither a path nor a session"),
        (lambda: BlackBox(product, [POINT, POINT], ["A", "B"]), "senses of different names"),
        (lambda: BlackBox(product, [], ["A", "B"]), "senses of different names"),
        (lambda: BlackBox(product, [POINT], ["A", "A"]), "all different"),
    ],
)
def test_what_cannot_be_wrapped_is_said(make: Any, message: str):
    with pytest.raises(InputError, match=message):
        make()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken.onnx' cannot be read"):
        BlackBox.onnx(path, [POINT], ["A", "B"])


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"the input x takes \('batch', 3\), got \(5, 2\)"):
        BlackBox.onnx(session(), [OTHER], ["A", "B"])({"other": torch.ones(5, 2)})
    with pytest.raises(InputError, match="nothing is fed to the input 'x'; feed has y"):
        BlackBox.onnx(session(), [POINT], ["A", "B"], feed=lambda x: {"y": x})({"point": X})
    with pytest.raises(InputError, match="other is absent"):
        BlackBox(product, [POINT, OTHER], ["A", "B"])({"point": X})


@pytest.mark.parametrize("found", ["scores", [[1.0], [2.0, 3.0]], {"A": 1.0}, None])
def test_what_is_no_array_of_scores_breaks_the_contract(found: Any):
    box = BlackBox(lambda x: found, [POINT], ["A", "B"])
    with pytest.raises(ContractError, match=r"the function returned a|of shape \(\)"):
        Scorer(box, Target(0)).value({"point": X})


def test_scores_of_another_shape_break_the_contract():
    with pytest.raises(ContractError, match=r"scores of shape \(5, 3\)"):
        Scorer(BlackBox(lambda x: x, [POINT], ["A", "B"]), Target(0)).value({"point": X})


def test_shapley_values_of_a_linear_function_are_its_terms():
    found = attribute(BlackBox(product, [POINT], ["A", "B"]), {"point": [0.5, -1.0, 2.0]}, "kernel-shap", "A")
    terms = (WEIGHTS[:, 0] - WEIGHTS[:, 1]) * (0.5, -1.0, 2.0)
    np.testing.assert_allclose(found.map("point", "evidence").values, terms, rtol=1e-4)
    assert found.gap == pytest.approx(0, abs=1e-5)
    assert any("gives no gradient" in note for note in found.notes)


def test_occlusion_of_an_onnx_model_finds_what_it_looks_at():
    box = BlackBox.onnx(session(), [POINT], ["A", "B"])
    found = attribute(box, {"point": [0.0, 3.0, 0.0]}, "occlusion", "A")
    each = found.map("point", "evidence").values
    assert each[[0, 2]].tolist() == [0, 0]
    assert each[1] == pytest.approx(3 * float(WEIGHTS[1, 0] - WEIGHTS[1, 1]), rel=1e-4)
