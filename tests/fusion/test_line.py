"""The line: integrals that are known, cut where the function bends, within what may be spent."""

from __future__ import annotations

import math

import pytest
import torch

from veridical.errors import ContractError, InputError
from veridical.fusion import line as module
from veridical.fusion.line import FlowSettings, Line, dot, still

EXACT = FlowSettings(tolerance=0.0)


def between(function, start: float, stop: float) -> Line:
    return Line(
        lambda x: function(x["x"][:, 0]), {"x": torch.tensor([[start]])}, {"x": torch.tensor([[stop]])}, "the test"
    )


def test_of_a_polynomial_the_integral_is_exact():
    integral, ends, nodes = between(lambda x: x**5, 1.0, 3.0).integrate(FlowSettings())
    assert integral["x"].item() == pytest.approx((3**5 - 1) / 2, rel=1e-6)
    assert ends == (1.0, 243.0)
    assert nodes == 16


def test_a_function_that_bends_sharply_is_cut_where_it_bends():
    def bend(x):
        return torch.tanh(60 * (x - 0.9))

    even, _, few = between(bend, 0.0, 1.0).integrate(FlowSettings(most=16))
    found, _, many = between(bend, 0.0, 1.0).integrate(FlowSettings())
    change = math.tanh(6) - math.tanh(-54)
    assert (few, many > 16) == (16, True)
    assert abs(even["x"].item() - change) > 0.05 * change
    assert abs(found["x"].item() - change) < 0.001 * change


@pytest.mark.parametrize("most", [16, 32, 64, 100])
def test_no_more_is_spent_than_was_given(most):
    noisy = between(lambda x: torch.sin(200 * x), 0.0, 1.1)
    assert most - 16 < noisy.integrate(FlowSettings(most=most, tolerance=0.0))[2] <= most


def test_what_is_evaluated_at_once_changes_nothing(monkeypatch):
    line = between(lambda x: torch.tanh(30 * (x - 0.3)), 0.0, 1.0)
    together = line.integrate(FlowSettings())
    monkeypatch.setattr(module, "_BYTES", 1)
    alone = line.integrate(FlowSettings())
    torch.testing.assert_close(alone[0]["x"], together[0]["x"], rtol=1e-6, atol=0)
    assert alone[1:] == together[1:]


def test_a_point_that_is_no_line_owes_nothing():
    line = between(lambda x: x**2, 2.0, 2.0)
    integral, ends, nodes = line.integrate(FlowSettings())
    assert (ends, nodes) == ((4.0, 4.0), 16)
    assert line.along(integral) == 0


def test_sums_are_exact_where_single_precision_is_not():
    big = torch.tensor([[1e8, 1.0, -1e8]])
    assert dot(big, torch.ones(1, 3), torch.zeros(1, 3)) == 1.0


def test_gradients_can_be_taken_of_a_system_that_is_held_still():
    network = torch.nn.Linear(2, 1)
    with torch.no_grad(), still(network, {"x": torch.ones(1, 2)}):
        assert not network.training
        assert network(torch.ones(1, 2, requires_grad=True)).requires_grad
        assert not network.weight.requires_grad
    assert network.training
    assert network.weight.requires_grad


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"nodes": 0}, "nodes is at least 1, most twice that"),
        ({"most": 15}, "nodes is at least 1, most twice that"),
        ({"tolerance": float("nan")}, "tolerance at least 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        FlowSettings(**options)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_rule_for_gates_is_refused():
    with pytest.raises(InputError, match=r"^through time: gates 'none'; one of share, signal is wanted$"):
        FlowSettings(gates="none")  # type: ignore[arg-type]


def test_values_that_are_not_finite_are_told():
    with pytest.raises(ContractError, match=r"^system: the test gives -inf to 0\.0; finite numbers are wanted$"):
        between(torch.log, 0.0, 1.0).integrate(EXACT)


def test_a_gradient_that_is_not_finite_is_told():
    with pytest.raises(ContractError, match="the gradient of x is not finite in the test"):
        between(lambda x: torch.where(x > 9, torch.sqrt(x - 9), 0.0 * x), 0.0, 1.0).integrate(EXACT)


def test_a_function_without_a_gradient_is_told():
    with pytest.raises(ContractError, match="no gradient passes through the test; look for a no_grad block"):
        between(lambda x: x.detach(), 0.0, 1.0).integrate(EXACT)
