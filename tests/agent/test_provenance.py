from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.toys import Toy, reads_cat
from veridical.agent.provenance import preprocessing_of, provenance_of, weights_of


class System:
    """A system of named parts, of a sense with settings; no module itself."""

    actions = ("STOP", "GO")

    def __init__(self, settings=None, **parts):
        self.modalities: Any = {} if settings is None else {"vision": SimpleNamespace(**settings)}
        for name, part in parts.items():
            setattr(self, name, part)

    def __call__(self, inputs: Any) -> Any:
        return torch.zeros(1, 2)


class Net(nn.Module):
    """A system of two parts, with a buffer that is no float."""

    actions = ("STOP", "GO")

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.modalities: Any = {}
        self.provenance: Any = None
        self.body = nn.Linear(2, 3, dtype=dtype)
        self.head = nn.Module()
        self.head.register_buffer("count", torch.tensor(7))

    def __call__(self, inputs: Any) -> Any:
        return torch.zeros(1, 2)


class Whole(nn.Module):
    """A system without parts, of one buffer."""

    actions = ("STOP", "GO")

    def __init__(self, value):
        super().__init__()
        self.modalities: Any = {}
        self.register_buffer("x", value)

    def __call__(self, inputs: Any) -> Any:
        return torch.zeros(1, 2)


def test_the_digest_is_of_names_types_shapes_and_bytes():
    net = Net()
    total = hashlib.sha256()
    for name, value in (("bias", net.body.bias), ("weight", net.body.weight)):
        total.update(f"{name} torch.float32 {tuple(value.shape)};".encode() + value.detach().numpy().tobytes())
    right = hashlib.sha256(b"count torch.int64 ();" + np.int64(7).tobytes()).hexdigest()
    assert weights_of(net) == {"body": f"sha256:{total.hexdigest()}", "head": f"sha256:{right}"}


def test_the_same_weights_have_the_same_digest_and_others_another():
    first, second = Net(), Net()
    second.load_state_dict(first.state_dict())
    assert weights_of(first) == weights_of(second)
    assert weights_of(first)["body"] != weights_of(Net())["body"]
    assert weights_of(Net(torch.bfloat16)).keys() == {"body", "head"}


def test_weights_that_were_written_to_are_digested_anew():
    net = Net()
    before = weights_of(net)
    assert weights_of(net) is before
    with torch.no_grad():
        net.body.weight.add_(1.0)
    after = weights_of(net)
    assert after["body"] != before["body"]
    assert after["head"] == before["head"]
    net.body = nn.Linear(2, 3)
    assert weights_of(net)["body"] not in (before["body"], after["body"])


def test_inference_tensors_and_transposed_ones():
    with torch.inference_mode():
        net = Net()
    assert weights_of(net)["body"].startswith("sha256:")
    value = torch.arange(6.0).reshape(2, 3).t()
    turned, flat = Whole(value), Whole(value.contiguous())
    assert weights_of(turned) == weights_of(flat)
    assert list(weights_of(flat)) == ["system"]  # without children, the whole is one part


def test_a_system_that_is_no_module_is_looked_through():
    system = System(net=nn.Linear(1, 1), other=3)
    assert list(weights_of(system)) == ["net"]
    assert weights_of(system) == weights_of(system)
    assert weights_of(Toy(reads_cat)) == {}


def test_a_system_that_cannot_be_remembered_is_digested_each_time():
    class Unhashable(System):
        __hash__ = None  # type: ignore[assignment]

    system = Unhashable(net=nn.Linear(1, 1))
    assert weights_of(system) == weights_of(system)
    assert weights_of(system) is not weights_of(system)


def test_preprocessing_is_of_types_and_plain_settings():
    one = System({"size": 32, "net": object()})
    assert preprocessing_of(one) == preprocessing_of(System({"net": object(), "size": 32}))
    assert preprocessing_of(one) != preprocessing_of(System({"size": 33}))
    assert preprocessing_of(Toy(reads_cat)).startswith("sha256:")


def test_what_a_record_is_told():
    told = provenance_of(Net())
    assert told.keys() == {"weights", "preprocessing", "libraries", "precision", "device", "threads"}
    assert (told["precision"], told["device"]) == ("torch.float32".removeprefix("torch."), "cpu")
    assert told["threads"] >= 1
    assert {"numpy", "torch", "veridical"} <= told["libraries"].keys()
    mixed = Net()
    mixed.body.bias = nn.Parameter(mixed.body.bias.detach().half())
    assert provenance_of(mixed)["precision"] == "float16, float32"
    assert provenance_of(Toy(reads_cat))["precision"] is None


@pytest.mark.parametrize("said", [{"device": "tpu", "seed": 3}, None, "words"])
def test_what_a_system_says_of_itself_goes_before(said):
    net = Net()
    net.provenance = said
    told = provenance_of(net)
    assert told["device"] == ("tpu" if isinstance(said, dict) else "cpu")
    assert ("seed" in told) == isinstance(said, dict)
