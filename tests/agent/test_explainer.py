"""The explanation agent, end to end on small systems."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.tails import BANKS, Senses
from tests.concepts.tails import OBSERVATION as TOLD
from tests.concepts.tails import linear as linear_tail
from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    Dropping,
    Split,
    Toy,
    hears_tone,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.agent.conclude import Known
from veridical.agent.explainer import Explainer, Settings, explain
from veridical.concepts.naming import Namer
from veridical.errors import ContractError, InputError
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings
from veridical.modalities.text import Text
from veridical.verifier.ladder import LadderSettings

PLAIN = Settings(namer=None, salt="fixed")
EVERYTHING: dict[str, Any] = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


def all_senses(inputs) -> Any:
    """Mostly the word, a little of what is seen and heard."""
    parts = [
        0.2 * sees_red(inputs) if "vision" in inputs else 0.0,
        0.1 * hears_tone(inputs) if "audio" in inputs else 0.0,
    ]
    return sum(parts) + (reads_cat(inputs) if "text" in inputs else 1.0)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        gone = {"created", "timing", "ms"} | ({"id"} if "created" in value else set())
        return {k: without_times(v) for k, v in value.items() if k not in gone}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("system", "observation", "where"),
    [
        (Toy(sees_red, EYES), {"vision": picture(2)}, "frame 2 (1–2 s)"),
        (Toy(hears_tone, EARS), {"audio": sound()}, "0.5–0.62 s, 0.8–1.5 kHz"),
        (Toy(reads_cat, READER), {"text": SENTENCE}, "“cat”"),
        (Toy(all_senses), EVERYTHING, "“cat”"),
        (Split(all_senses), EVERYTHING, "“cat”"),
    ],
    ids=["vision", "audio", "text", "all", "split"],
)
def test_the_planted_cause_is_named_first_and_supported(system, observation, where: str):
    found = explain(system, observation, PLAIN)
    assert found.decision == "STOP"
    assert found.verdict == "supported"
    assert where in found.claims[0]["where"]
    assert where in found.justification
    assert found.claims[0]["status"] == "confirmed"


def test_explaining_twice_with_the_same_salt_gives_the_same():
    one, other = (explain(Toy(all_senses), EVERYTHING, PLAIN) for _ in range(2))
    assert without_times(one.to_dict()) == without_times(other.to_dict())
    assert one.arrays().keys() == other.arrays().keys()
    for name, array in one.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


def test_without_a_salt_given_the_controls_are_drawn_afresh():
    one, other = (explain(Toy(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None)) for _ in range(2))
    first, second = ({**found.result["verdict"]["committed"], "observation": None} for found in (one, other))
    assert first == second  # but for the salted digest of what was observed
    assert one.result["observation"]["text"]["salt"] != other.result["observation"]["text"]["salt"]
    assert one.result["verdict"]["salt"] != other.result["verdict"]["salt"]
    told = "The salt of the control edits was given beforehand, not drawn after the commitment."
    assert told not in one.result["notes"]
    assert told in explain(Toy(reads_cat, READER), {"text": SENTENCE}, PLAIN).result["notes"]


def test_of_a_linear_system_shares_and_effects_are_exact():
    w = weights(5, prepare(Toy(linear({})), EVERYTHING))
    system = Toy(linear(w, 30.0))
    path = PathSettings(last=512, tolerance=1e-4)
    settings = Settings(namer=None, salt="s", ladder=LadderSettings(rungs=("path",), path=path))
    found = explain(system, EVERYTHING, settings).result
    for m, p in prepare(system, EVERYTHING).items():
        exact = float(((p.tensor - p.baseline)[0].double() * w[m]).sum())
        assert found["attribution"]["shares"][m] == pytest.approx(exact, abs=5e-3)
    total = sum(found["attribution"]["shares"].values())
    assert total == pytest.approx(found["attribution"]["difference"], abs=2e-3)
    # Masking words is the very path of their attribution, so that prediction and effect agree.
    masked = [(c["predicted"], c["effects"][0]["effect"]) for c in found["claims"] if c["modality"] == "text"]
    assert all(predicted == pytest.approx(effect, abs=1e-3) for predicted, effect in masked)


def test_decide_is_the_systems_own_decision():
    agent = Explainer(Toy(reads_cat, READER), PLAIN)
    assert agent.decide({"text": SENTENCE}) == "STOP"
    assert agent.decide({"text": "go home"}) == "GO"
    assert agent.explain({"text": "go home"}).decision == "GO"


def test_absent_senses_are_told():
    found = explain(Toy(all_senses), {"text": SENTENCE, "audio": None}, PLAIN)
    assert "Vision and audio were absent." in found.justification
    assert found.result["observation"]["vision"] == {"present": False}
    assert list(found.result["senses"]) == ["text"]


def test_progress_passes_through_every_stage_to_its_end():
    seen: list[tuple[str, float]] = []
    explain(Toy(reads_cat, READER), {"text": SENTENCE}, PLAIN, lambda stage, share: seen.append((stage, share)))
    assert list(dict.fromkeys(stage for stage, _ in seen)) == [
        "prepare",
        "decide",
        "attribute",
        "verify",
        "concepts",
        "name",
        "fuse",
    ]
    assert all(0 <= share <= 1 for _, share in seen)
    for stage in ("prepare", "decide", "verify", "concepts", "name", "fuse"):
        assert [share for s, share in seen if s == stage][-1] == 1.0


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        ({"text": ""}, "Nothing speaks for the decision"),
        ({"text": "   "}, "Nothing speaks for the decision"),
        ({"text": "cat"}, "too small for the test"),
        ({"text": "stop if you meet a cat"}, "too small for the test"),
        ({"vision": np.zeros((1, 1, 3), np.uint8)}, "Nothing speaks for the decision"),
        ({"vision": np.full((8, 8, 3), 255, np.uint8), "text": ""}, "."),
        ({"audio": np.zeros(100, np.float32)}, "Nothing speaks for the decision"),
        ({"audio": sound()[4000:4100]}, "."),
        ({"audio": sound()[:1]}, "."),
    ],
)
def test_small_and_empty_signals_come_through_as_inconclusive(observation, reason: str, tmp_path):
    def score(inputs) -> Any:
        heard = 9 * inputs["audio"].sum(1) if "audio" in inputs else 0.0
        seen = inputs["vision"].flatten(1).sum(1) if "vision" in inputs else 0.0
        return heard + seen + (reads_cat(inputs) if "text" in inputs else 1.0)

    found = explain(Toy(score), observation, PLAIN)
    assert found.verdict == "inconclusive"
    assert reason in found.result["verdict"]["reasons"][0]
    assert found.report(tmp_path / "report.html").stat().st_size > 1000
    assert (found.record(tmp_path / "record") / "manifest.json").is_file()


def test_a_score_that_nothing_changes_is_inconclusive():
    found = explain(Toy(lambda i: 0 * sees_red(i) + 2, EYES), {"vision": picture()}, PLAIN)
    assert found.verdict == "inconclusive"
    assert found.claims == []
    assert found.result["attribution"]["gap_share"] == 0.0


def test_an_empty_text_beside_other_senses_is_no_evidence(tmp_path):
    found = explain(
        Toy(lambda i: sees_red(i) + 0 * reads_cat(i), EYES, READER), {"vision": picture(), "text": ""}, PLAIN
    )
    assert found.verdict == "supported"
    assert found.result["notes"][0] == "text: the text is empty"
    assert "text" not in found.result["senses"]
    assert found.arrays()["text.saliency"].shape == (0,)
    found.report(tmp_path / "report.html")
    found.record(tmp_path / "record")


def counted(score, count) -> Any:
    return lambda inputs: score(inputs) + 0.3 * next(count)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (Toy(lambda i: reads_cat(i) * float("nan"), READER), r"not finite for one observation: \[nan, 0.0\]"),
        (Toy(lambda i: i["text"].detach().sum((1, 2)), READER), "no gradient reaches any input"),
        (Toy(lambda i: i["text"], READER), r"scores of shape \(1, 2, 32, 8\) for one observation"),
    ],
    ids=["nan", "detached", "shape"],
)
def test_a_system_that_breaks_the_contract_is_told_so(system: Toy, message: str):
    with pytest.raises(ContractError, match=message):
        explain(system, {"text": SENTENCE}, PLAIN)


def broken_where_the_cat_moves(inputs) -> Any:
    cat = inputs["text"][:, :, CAT]
    return torch.where((cat.sum(1) > 0.5) & (cat[:, 21] < 0.5), float("nan"), reads_cat(inputs))


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (counted(reads_cat, itertools.count()), r"the same input scores .* call eval"),
        (lambda i: reads_cat(i) + 9 * i["text"][:, :, CAT].mean(), "members of a batch apart"),
        (broken_where_the_cat_moves, "the scores are not finite under the text operator 'delete'"),
    ],
    ids=["stateful", "mixing", "edited"],
)
def test_a_system_that_cannot_be_measured_is_inconclusive_with_the_reason(score, reason: str):
    found = explain(Toy(score, READER), {"text": SENTENCE}, PLAIN)
    verdict = found.result["verdict"]
    assert (found.verdict, verdict["cause"], verdict["stopped"]) == ("inconclusive", "unmeasurable", "untestable")
    assert re.search(reason, verdict["reasons"][0])


def test_the_ladder_is_climbed_until_an_account_holds_and_the_shares_of_effects_are_no_sum():
    def score(inputs) -> Any:
        seen, heard = (sees_red(inputs) + 3) / 8, (hears_tone(inputs) + 2) / 5
        return 8 * (seen * heard * inputs["text"][:, :, CAT].sum(1)) ** 3 - 1

    settings = replace(PLAIN, ladder=LadderSettings(rungs=("gradient", "measured")))
    found = explain(Toy(score), EVERYTHING, settings)
    verdict, attribution = found.result["verdict"], found.result["attribution"]
    assert [a["cause"] for a in verdict["attempts"]] == ["inaccurate", "holds"]
    assert (verdict["rung"], verdict["stopped"], found.verdict) == ("measured", "supported", "supported")
    assert attribution["additive"] is False
    assert attribution["sum"] == pytest.approx(sum(attribution["shares"].values()))
    assert found.arrays()["vision.saliency"].sum() == pytest.approx(attribution["shares"]["vision"], abs=1e-3)
    assert "audio.waveform_saliency" not in found.arrays()
    assert not any("points of the path" in note for note in found.result["notes"])
    first = found.claims[0]
    assert first["predicted"] == pytest.approx(first["measured"])


def test_a_system_with_dropout_left_on_is_explained_as_it_decides_with_it_off_and_a_note_says_so():
    system = Dropping()
    left_on = explain(system, {"text": SENTENCE}, PLAIN)
    assert system.training
    assert system.drop.training
    assert any("was in training mode (Dropout, Dropping)" in note for note in left_on.result["notes"])
    off = explain(Dropping().eval(), {"text": SENTENCE}, PLAIN)
    assert left_on.result["decision"] == off.result["decision"]
    assert without_times(left_on.result["verdict"]) == without_times(off.result["verdict"])


def test_what_the_gradient_at_the_input_is_worth_is_told_by_sense():
    told = explain(Toy(reads_cat, READER), {"text": SENTENCE}, PLAIN).result["attribution"]["diagnostics"]["text"]
    assert told["local_share"] == pytest.approx(1.0, abs=1e-3)
    assert told["saturated"] is False
    assert told["variation"] == pytest.approx(0.0, abs=1e-3)


def test_a_sense_that_the_system_ignores_is_named():
    with pytest.raises(ContractError, match="no gradient arrives at vision; is the input ignored"):
        explain(Toy(reads_cat, EYES, READER), {"vision": picture(), "text": SENTENCE}, PLAIN)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ([1], "a mapping from sense to signal is wanted, got list"),
        ({"smell": 1}, "unknown modality 'smell'; this system has vision, audio, text"),
        ({}, "observation: empty; give at least one of vision, audio, text"),
        ({"vision": np.full((4, 4, 3), np.nan)}, "not finite"),
        ({"audio": np.zeros(0, np.float32)}, "empty"),
    ],
)
def test_an_observation_that_cannot_be_used_is_refused(unchecked: None, observation, message: str):
    agent = Explainer(Toy(all_senses), PLAIN)
    for use in (agent.explain, agent.decide):
        with pytest.raises(InputError, match=message):
            use(observation)


def test_what_cannot_be_wrapped_is_refused(unchecked: None):
    with pytest.raises(
        ContractError, match=r"int lacks modalities, actions or __call__; see veridical.modalities.System"
    ):
        Explainer(3)  # type: ignore[arg-type]
    for actions, message in ((("STOP",), "1 modalities and 1 actions"), (("STOP", "STOP"), "are not all different")):
        toy = Toy(reads_cat, READER)
        toy.actions = actions
        with pytest.raises(ContractError, match=message):
            Explainer(toy)


def test_the_real_words_of_minilm_are_named_too():
    reader = Text.minilm()
    cat = reader.embedding[reader.tokenizer.convert_tokens_to_ids("cat")]

    def score(inputs) -> torch.Tensor:
        return 5 * (inputs["text"] @ cat / (cat @ cat)).clamp(min=0.5).sum(1) - 5 * 0.5 * inputs["text"].shape[1] - 1

    found = explain(Toy(score, reader), {"text": SENTENCE}, Settings(salt="s", namer=Namer()))
    assert found.claims[0]["where"] == "“cat”"
    assert found.verdict == "supported"


# Concepts


def cards(system: Any, **known: Any) -> dict[str, Any]:
    settings = replace(PLAIN, known=Known(**known))
    return {card["id"]: card for card in explain(system, TOLD, settings).result["concepts"]["cards"]}


def test_the_systems_own_concepts_are_used_and_given_ones_go_before_them():
    system: Any = Senses(linear_tail({"text": torch.eye(8)[CAT] * 3}))
    assert cards(system) == {}
    system.concepts = {"text": BANKS["text"]}
    assert set(cards(system)) == {"text#0.1", "text#1.1"}
    assert set(cards(system, banks={"audio": BANKS["audio"]})) == {"text#0.1", "text#1.1", "audio#0.1"}
    fewer = replace(BANKS["text"], threshold=np.array([0.5, 9.0], np.float32))
    assert set(cards(system, banks={"text": fewer})) == {"text#0.1"}
    system.concepts = None
    assert cards(system) == {}


def test_where_concepts_are_not_asked_for_none_are_looked_for():
    class Costly(Senses):
        @property
        def concepts(self) -> Any:
            raise AssertionError("the banks are not to be read")

    system = Costly(linear_tail({"text": torch.eye(8)[CAT] * 3}))
    told = explain(system, TOLD, replace(PLAIN, known=Known(settings=None))).result["concepts"]
    assert told["missing"] == dict.fromkeys(("vision", "audio", "text"), "Concepts were not asked for.")
    assert (told["cards"], told["passes"]) == ([], 0)


def test_concepts_cost_passes_that_are_counted():
    system = Senses(linear_tail({"text": torch.eye(8)[CAT] * 3}))
    plain, found = (explain(system, TOLD, replace(PLAIN, known=Known(banks=b))).result for b in ({}, BANKS))
    spent = found["concepts"]["passes"]
    assert spent > 0
    assert found["timing"]["passes"]["forward"] == plain["timing"]["passes"]["forward"] + spent
    assert found["timing"]["concepts_ms"] > 0
    # Concepts come last, so that what was measured before them does not hang on them.
    assert without_times(found["claims"]) == without_times(plain["claims"])
    assert without_times(found["verdict"]) == without_times(plain["verdict"])


def test_concepts_are_the_same_from_the_same_salt():
    system = Senses(linear_tail({"text": torch.eye(8)[CAT] * 3}))
    one, other = (explain(system, TOLD, replace(PLAIN, known=Known(banks=BANKS))) for _ in range(2))
    kept = [{k: v for k, v in e.result["concepts"].items() if k != "milliseconds"} for e in (one, other)]
    assert kept[0] == kept[1]
    salted = replace(PLAIN, salt="another", known=Known(banks=BANKS))
    third = explain(system, TOLD, salted).result["concepts"]["cards"]
    assert [c["controls"] for c in third] != [c["controls"] for c in one.result["concepts"]["cards"]]
    assert [c["effect"] for c in third] == [c["effect"] for c in one.result["concepts"]["cards"]]
