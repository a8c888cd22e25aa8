"""The question that is asked of the scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.modalities.target import Target, decision_score

LOGITS = torch.tensor([[1.0, 2.0, 0.5], [0.0, -3.0, 4.0]], dtype=torch.float64)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6), st.data())
def test_the_decision_score_is_the_log_of_the_odds(scores: list[float], data: st.DataObject):
    action = data.draw(st.integers(0, len(scores) - 1))
    logits = torch.tensor([scores], dtype=torch.float64)
    others = sum(math.exp(z) for i, z in enumerate(scores) if i != action)
    assert float(decision_score(logits, action)) == pytest.approx(math.log(math.exp(scores[action]) / others), abs=1e-9)


def test_each_kind_is_what_its_formula_says():
    probability = LOGITS.softmax(1)[:, 1]
    torch.testing.assert_close(Target(1)(LOGITS), (probability / (1 - probability)).log())
    torch.testing.assert_close(Target(1, kind="log-probability")(LOGITS), LOGITS.log_softmax(1)[:, 1])
    assert torch.equal(Target(1, kind="logit")(LOGITS), LOGITS[:, 1])
    assert torch.equal(Target(1, against=0)(LOGITS), LOGITS[:, 1] - LOGITS[:, 0])
    assert torch.equal(Target(1, against=0, kind="logit")(LOGITS), LOGITS[:, 1] - LOGITS[:, 0])


@pytest.mark.parametrize("extra", [{}, {"kind": "logit"}, {"kind": "log-probability"}, {"against": 2}], ids=str)
def test_an_action_for_each_row_is_each_row_with_its_action(extra: dict[str, Any]):
    both = Target((1, 0), **extra)
    each = torch.stack([Target(a, **extra)(LOGITS[i : i + 1])[0] for i, a in enumerate((1, 0))])
    torch.testing.assert_close(both(LOGITS), each)
    for i in range(2):
        assert torch.equal(both.row(i)(LOGITS[i : i + 1]), Target((1, 0)[i], **extra)(LOGITS[i : i + 1]))
    assert Target(1, **extra).row(1) == Target(1, **extra)


def test_an_action_for_each_row_has_the_gradient_of_its_row():
    logits = LOGITS.clone().requires_grad_(True)
    (both,) = torch.autograd.grad(Target((1, 0))(logits).sum(), logits)
    for i, action in enumerate((1, 0)):
        row = LOGITS[i : i + 1].clone().requires_grad_(True)
        (alone,) = torch.autograd.grad(Target(action)(row).sum(), row)
        torch.testing.assert_close(both[i], alone[0])
    assert both.isfinite().all()


def test_a_contrast_of_two_actions_is_their_log_odds():
    two = LOGITS[:, :2]
    torch.testing.assert_close(Target(0)(two), Target(0, against=1)(two))


def test_scores_of_no_rows_give_no_numbers():
    for target in (Target(1), Target(()), Target(1, against=0), Target(1, kind="log-probability")):
        assert target(LOGITS[:0]).shape == (0,)


def test_only_a_systems_own_score_is_not_in_nats():
    assert Target(0, kind="logit").unit == "logit"
    assert {Target(0).unit, Target(0, kind="log-probability").unit, Target(0, 1, "logit").unit} == {"nat"}


def test_the_question_can_be_put_in_words():
    names = ("GO", "STOP", "SLOW")
    assert Target(1).describe(names) == "STOP against the rest"
    assert Target(1, against=2).describe(names) == "STOP rather than SLOW"
    assert Target(1, kind="logit").describe(names) == "score of STOP"
    assert Target(1, kind="log-probability").describe(names) == "log-probability of STOP"
    assert Target((1, 0)).describe(names) == "STOP, GO against the rest"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda: Target(-1), "actions are counted from 0"),
        (lambda: Target((0, -2)), "actions are counted from 0"),
        (lambda: Target(0, against=-1), "actions are counted from 0"),
        (lambda: Target(2, against=2), "action 2 against itself"),
        (lambda: Target((0, 2), against=2), "action 2 against itself"),
        (lambda: Target(3)(LOGITS), "the system has 3 actions, 0 to 2"),
        (lambda: Target(0, against=3)(LOGITS), "the system has 3 actions, 0 to 2"),
        (lambda: Target((0, 1, 2))(LOGITS), "3 actions for a batch of 2"),
        (lambda: Target(0)(LOGITS[:, :1]), "a single score has no log-odds .* 'logit'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(target: Any, message: str):
    with pytest.raises(InputError, match=message):
        target()


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="kind 'odds'; one of log-odds, logit, log-probability"):
        Target(0, kind="odds")  # type: ignore[arg-type]
