"""Recurrent layers step by step, in plain functions, so that rules see their gates.

torch computes a whole LSTM, GRU or RNN in one call. Here the same is computed from the same arguments through
`F.linear`, `sigmoid`, `tanh` and products. Equations and the order of the weights are those of torch's documentation
of `torch.nn.LSTM`, `torch.nn.GRU` and `torch.nn.RNN`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ....errors import InputError

__all__ = [
    "RECURRENT",
    "gru",
    "gru_cell",
    "lstm",
    "lstm_cell",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
]

State = tuple[Tensor, ...]
"""What a layer remembers, each (batch, features): (hidden,), or (hidden, cell) for an LSTM."""
Step = Callable[["_Weights", Tensor, State], State]
"""From the weights, a step's projected input (batch, gates) and the state before to the state after."""


@dataclass(frozen=True)
class _Weights:
    """Of one layer in one direction."""

    inner: Tensor
    outer: Tensor
    inner_bias: Tensor | None = None
    outer_bias: Tensor | None = None
    projection: Tensor | None = None

    def recur(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.outer, self.outer_bias)


@dataclass(frozen=True)
class _Options:
    """What torch's functions take after the weights."""

    has_biases: bool
    num_layers: int
    dropout: float
    train: bool
    bidirectional: bool
    batch_first: bool


def _lstm_step(weights: _Weights, projected: Tensor, state: State) -> State:
    hidden, cell = state
    into, forget, new, out = (projected + weights.recur(hidden)).chunk(4, -1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
    hidden = torch.sigmoid(out) * torch.tanh(cell)
    return (hidden if weights.projection is None else F.linear(hidden, weights.projection)), cell


def _gru_step(weights: _Weights, projected: Tensor, state: State) -> State:
    reset_x, update_x, new_x = projected.chunk(3, -1)
    reset_h, update_h, new_h = weights.recur(state[0]).chunk(3, -1)
    update = torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
    return ((1 - update) * new + update * state[0],)


def _tanh_step(weights: _Weights, projected: Tensor, state: State) -> State:
    return (torch.tanh(projected + weights.recur(state[0])),)


def _relu_step(weights: _Weights, projected: Tensor, state: State) -> State:
    return (torch.relu(projected + weights.recur(state[0])),)


def lstm(x: Tensor, state: Any, weights: Any, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Compute what ``torch.lstm`` does, of the same arguments: outputs, last hidden and last cell states.

    Raises:
        InputError: a packed sequence.
    """
    out, (hidden, cell) = _run(_lstm_step, x, state, weights, options)
    return out, hidden, cell


def gru(x: Tensor, state: Any, weights: Any, *options: Any) -> tuple[Tensor, Tensor]:
    """Compute what ``torch.gru`` does, of the same arguments: outputs and last hidden states.

    Raises:
        InputError: a packed sequence.
    """
    out, (hidden,) = _run(_gru_step, x, state, weights, options)
    return out, hidden


def rnn_tanh(x: Tensor, state: Any, weights: Any, *options: Any) -> tuple[Tensor, Tensor]:
    """Compute what ``torch.rnn_tanh`` does, of the same arguments: outputs and last hidden states.

    Raises:
        InputError: a packed sequence.
    """
    out, (hidden,) = _run(_tanh_step, x, state, weights, options)
    return out, hidden


def rnn_relu(x: Tensor, state: Any, weights: Any, *options: Any) -> tuple[Tensor, Tensor]:
    """Compute what ``torch.rnn_relu`` does, of the same arguments: outputs and last hidden states.

    Raises:
        InputError: a packed sequence.
    """
    out, (hidden,) = _run(_relu_step, x, state, weights, options)
    return out, hidden


def lstm_cell(x: Tensor, state: Sequence[Tensor], *weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute what ``torch.lstm_cell`` does, of the same arguments: hidden and cell state."""
    hidden, cell = _one(_lstm_step, x, tuple(state), weights)
    return hidden, cell


def gru_cell(x: Tensor, hidden: Tensor, *weights: Tensor | None) -> Tensor:
    """Compute what ``torch.gru_cell`` does, of the same arguments."""
    return _one(_gru_step, x, (hidden,), weights)[0]


def rnn_tanh_cell(x: Tensor, hidden: Tensor, *weights: Tensor | None) -> Tensor:
    """Compute what ``torch.rnn_tanh_cell`` does, of the same arguments."""
    return _one(_tanh_step, x, (hidden,), weights)[0]


def rnn_relu_cell(x: Tensor, hidden: Tensor, *weights: Tensor | None) -> Tensor:
    """Compute what ``torch.rnn_relu_cell`` does, of the same arguments."""
    return _one(_relu_step, x, (hidden,), weights)[0]


RECURRENT: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch.lstm: lstm,
    torch.gru: gru,
    torch.rnn_tanh: rnn_tanh,
    torch.rnn_relu: rnn_relu,
    torch.lstm_cell: lstm_cell,
    torch.gru_cell: gru_cell,
    torch.rnn_tanh_cell: rnn_tanh_cell,
    torch.rnn_relu_cell: rnn_relu_cell,
}
"""Expansions for an `Intercept`."""


def _one(step: Step, x: Tensor, state: State, weights: Sequence[Tensor | None]) -> State:
    inner, outer, *biases = weights
    if inner is None or outer is None:
        raise InputError("recurrent: a cell without weights")
    found = _Weights(inner, outer, *biases)
    return step(found, F.linear(x, found.inner, found.inner_bias), state)


def _run(step: Step, x: Tensor, state: Any, weights: Any, options: Sequence[Any]) -> tuple[Tensor, State]:
    """Run all layers and directions; states are (layers * directions, batch, features)."""
    # Of a packed sequence torch gives the batch sizes second, and the states third.
    if isinstance(state, Tensor) and not state.is_floating_point():
        raise InputError(
            "recurrent: a packed sequence, whose steps can't be told apart here; give padded sequences "
            "(torch.nn.utils.rnn.pad_packed_sequence), or one sequence at a time"
        )
    given = _Options(*options)
    states = (state,) if isinstance(state, Tensor) else tuple(state)
    projected = len(states) == 2 and states[0].shape[2] != states[1].shape[2]
    size = 2 + 2 * given.has_biases + projected
    cells = [_cell(weights[k : k + size], given.has_biases) for k in range(0, len(weights), size)]
    steps = x.transpose(0, 1) if given.batch_first else x
    directions = 1 + given.bidirectional
    last: list[State] = []
    for layer in range(given.num_layers):
        if layer > 0 and given.train and given.dropout > 0:
            steps = F.dropout(steps, given.dropout)
        outs = []
        for k in range(directions):
            index = layer * directions + k
            out, end = _direction(step, cells[index], steps, tuple(s[index] for s in states), reverse=k == 1)
            outs.append(out)
            last.append(end)
        steps = torch.cat(outs, -1) if directions == 2 else outs[0]
    ends = tuple(torch.stack(kind) for kind in zip(*last, strict=True))
    return (steps.transpose(0, 1) if given.batch_first else steps), ends


def _cell(weights: Sequence[Tensor], biases: bool) -> _Weights:
    inner, outer, *rest = weights
    found = (rest[0], rest[1]) if biases else (None, None)
    return _Weights(inner, outer, *found, *rest[2 * biases :])


def _direction(step: Step, cell: _Weights, steps: Tensor, state: State, *, reverse: bool) -> tuple[Tensor, State]:
    """Run one layer over (steps, batch, features) in one direction."""
    # The inputs of all steps are projected at once: only what is remembered must wait.
    projected = F.linear(steps, cell.inner, cell.inner_bias).unbind(0)
    outs: list[Tensor] = []
    for x in reversed(projected) if reverse else projected:
        state = step(cell, x, state)
        outs.append(state[0])
    return torch.stack(outs[::-1] if reverse else outs), state
