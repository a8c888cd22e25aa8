"""Courier on a stream: what is used again is what would be computed, and the decision is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.agent.depths import settings_at
from veridical.agent.explainer import Explainer
from veridical.agent.stream.carried import Carried
from veridical.agent.stream.stream import Stream
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.streaming import courier_sources


@pytest.fixture(scope="module")
def courier() -> Courier:
    return load()


def drive(courier: Courier, carry: bool, seconds: int) -> list[tuple[dict[str, Any], Any]]:
    """A camera frame and a second of sound each second, of the built-in example, over and over."""
    example = courier.example()
    wave = courier.modalities["audio"].prepare(example["audio"]).raw
    stream = Stream(courier, courier_sources(1.0), carry=carry)
    stream.push("text", example["text"], 0.0)
    found = []
    for k in range(1, seconds + 1):
        picture = Image.fromarray(example["vision"][k % 3]).resize((224, 224))
        stream.push("vision", np.asarray(picture), float(k))
        stream.push("audio", wave[(k - 1) % 3 * 16000 : ((k - 1) % 3 + 1) * 16000], k - 1.0)
        found.append(stream.observe(float(k)))
    assert stream.once.whole == {}
    encoded = stream.once.status()
    assert encoded["vision"]["encoded"]["made"] == 3  # three pictures, however often they are seen
    assert encoded["text"]["encoded"]["made"] == 1
    return found


@torch.no_grad()
def test_features_and_decisions_of_a_stream_are_those_of_each_window(courier):
    for observation, given in drive(courier, False, 4)[1:]:
        features = {m: courier.encode(m, p.tensor) for m, p in prepare(courier, observation).items()}
        for m, x in features.items():
            largest = float(x.abs().max())
            torch.testing.assert_close(given.features[m], x, rtol=1e-5, atol=1e-5 * largest)
        torch.testing.assert_close(courier.decide(given.features), courier.decide(features), rtol=1e-4, atol=1e-4)


def test_a_carried_state_is_explained_with(courier):
    observation, given = drive(courier, True, 5)[-1]
    assert isinstance(given.system, Carried)
    found = Explainer(courier, settings_at("account")).explain(observation, given=given)
    assert found.result["system"]["digest"] == given.system.digest != courier.digest
    with torch.no_grad():
        logits = given.system.decide(given.features)[0]
    assert found.decision == courier.actions[int(logits.argmax())]
    assert any("A state is carried into the window" in note for note in found.result["notes"])


def test_couriers_sources_fit_its_encoders():
    sources = courier_sources(5.0)
    assert [sources[m].kind for m in ("vision", "audio", "text")] == ["frames", "sound", "words"]
    rows = sources["audio"].rows
    assert rows is not None
    assert rows.count(48_000) == 6
    assert courier_sources(0.5)["vision"].hold == 3.0
