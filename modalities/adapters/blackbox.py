"""A black box: a function from arrays to scores, without gradients, such as a session of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import ContractError, InputError
from ..contract import Modality
from ..scorer import rows

__all__ = ["BlackBox"]

_FLOOR = 1e-12
"""Least probability that is told from none."""

_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class BlackBox:
    """A function without gradients as a system; the black-box methods alone can explain it.

    Asking it for a gradient is a `ContractError` that names those methods.

    Args:
        function: takes a float32 array (batch, ...) for each sense, in their order, and returns (batch, actions).
        senses: what it senses; all are wanted at each call.
        actions: names of its scores.
        probabilities: the function gives probabilities, of which the logarithm is taken (at least that of 1e-12).
        name: name in reports.

    Raises:
        InputError: an option that cannot be used.

    Example:
        >>> box = BlackBox(lambda x: x @ np.eye(2), [Array("point", [2])], ["A", "B"])    # doctest: +SKIP
        >>> attribute(box, {"point": [0.2, 0.7]}, "occlusion")                            # doctest: +SKIP
    """

    def __init__(
        self,
        function: Callable[..., Any],
        senses: Sequence[Modality],
        actions: Sequence[str],
        *,
        probabilities: bool = False,
        name: str = "black box",
    ) -> None:
        self.modalities: Mapping[str, Modality] = {sense.name: sense for sense in senses}
        if not callable(function) or not senses or len(self.modalities) < len(senses):
            kind, told = type(function).__name__, [sense.name for sense in senses]
            raise InputError(f"black box: a {kind} of senses {told}; give a function, and senses of different names")
        if not actions or isinstance(actions, str) or len(set(actions)) < len(actions):
            raise InputError(f"black box: actions {actions!r}; give at least one name, all different")
        self.function, self.actions = function, tuple(actions)
        self.probabilities, self.name = probabilities, name

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of all actions, on the inputs' device, without a graph.

        Raises:
            InputError: a sense is absent.
            ContractError: what the function returns is no array of numbers.
        """
        missing = [m for m in self.modalities if m not in inputs]
        if missing:
            raise InputError(f"{self.name}: {', '.join(missing)} is absent, and a function cannot do without; give it")
        like = next(iter(inputs.values()))
        wanted = (rows(inputs), len(self.actions))
        if wanted[0] == 0:
            return like.new_zeros(wanted)
        found = self.function(*(inputs[m].float().numpy(force=True) for m in self.modalities))
        try:
            scores = torch.from_numpy(np.array(found, np.float64))
        except (TypeError, ValueError) as error:
            raise ContractError(
                f"{self.name}: the function returned a {type(found).__name__}, no array (batch, actions) of numbers"
            ) from error
        if tuple(scores.shape) != wanted:
            got = tuple(scores.shape)
            raise ContractError(f"{self.name}: scores of shape {got}; {wanted} (batch, actions) is wanted")
        if self.probabilities:
            if scores.min() < 0 or scores.max() > 1 + 1e-6:
                low, high = float(scores.min()), float(scores.max())
                raise ContractError(f"{self.name}: probabilities of {low:.3g} to {high:.3g}; they lie in 0..1")
            scores = scores.clamp_min(_FLOOR).log()
        return scores.to(like.device)

    @classmethod
    def onnx(
        cls,
        model: Any,
        senses: Sequence[Modality],
        actions: Sequence[str],
        *,
        feed: Callable[..., Mapping[str, Any]] | None = None,
        output: str | None = None,
        probabilities: bool = False,
    ) -> BlackBox:
        """Wrap an ONNX model.

        Args:
            model: a path, or an ``onnxruntime.InferenceSession``.
            senses: what it senses, in the order of its inputs.
            actions: names of its scores.
            feed: makes the model's inputs by name from the senses' arrays, where they are not one and the same: takes
                the frame of a picture and normalises it, say.
            output: name of the output that holds the scores; by default the first.
            probabilities: see `BlackBox`.

        Raises:
            InputError: ONNX Runtime is missing, the model cannot be read, or inputs or output do not fit.
        """
        session = _session(model)
        wanted = session.get_inputs()
        if feed is None and len(wanted) != len(senses):
            names = ", ".join(i.name for i in wanted)
            raise InputError(f"onnx: {len(senses)} senses for the inputs {names}; give one for each, or feed=")
        outputs = [o.name for o in session.get_outputs()]
        if output is not None and output not in outputs:
            raise InputError(f"onnx: no output {output!r}; the model has {', '.join(outputs)}")

        def function(*arrays: Any) -> Any:
            given = feed(*arrays) if feed else {i.name: a for i, a in zip(wanted, arrays, strict=True)}
            return _run(session, wanted, output or outputs[0], given)

        return cls(function, senses, actions, probabilities=probabilities, name="ONNX model")


def _session(model: Any) -> Any:
    if not isinstance(model, (str, Path)):
        if not hasattr(model, "get_inputs"):
            raise InputError(f"onnx: a {type(model).__name__} is neither a path nor a session of ONNX Runtime")
        return model
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("onnx: ONNX Runtime is missing; pip install 'veridical[adapters]'") from error
    if not Path(model).is_file():
        raise InputError(f"onnx: no file {str(model)!r}")
    try:
        return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes of errors have no common name
        told = " ".join(str(error).split())[:200]
        raise InputError(f"onnx: {str(model)!r} cannot be read: {told}") from error


def _run(session: Any, wanted: Sequence[Any], output: str, given: Mapping[str, Any]) -> np.ndarray:
    """Run a session; where the model has a batch of its own size, in pieces of it, the last one filled up."""
    fed: dict[str, np.ndarray] = {}
    for need in wanted:
        if need.name not in given:
            raise InputError(f"onnx: nothing is fed to the input {need.name!r}; feed has {', '.join(given)}")
        x = np.asarray(given[need.name])
        x = x.astype(_DTYPES[need.type]) if need.type in _DTYPES else x
        sizes = need.shape[1:] if isinstance(need.shape, list) else []
        if len(sizes) != x.ndim - 1 or any(
            isinstance(n, int) and n != m for n, m in zip(sizes, x.shape[1:], strict=True)
        ):
            raise InputError(
                f"onnx: the input {need.name} takes {tuple(need.shape)}, got {x.shape}; change the sense or feed="
            )
        fed[need.name] = np.ascontiguousarray(x)
    batch = len(next(iter(fed.values())))
    piece = next((need.shape[0] for need in wanted if isinstance(need.shape[0], int)), batch)
    found = []
    for first in range(0, batch, piece):
        part = {name: x[first : first + piece] for name, x in fed.items()}
        filled = {name: np.concatenate((x, x[-1:].repeat(piece - len(x), 0))) for name, x in part.items()}
        found.append(session.run([output], filled)[0][: min(piece, batch - first)])
    return np.concatenate(found)
