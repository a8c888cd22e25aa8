"""The command `veridical check`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from tests.toys import EYES, Toy, picture
from tests.verifier.nets import ACTIONS, Linear
from veridical.agent import cli_check, cli_options
from veridical.agent.cli_check import check
from veridical.errors import InputError


class Example(Linear):
    """A system with an example of its own."""

    def example(self):
        return {"vision": picture()}


class Unsteady(Example):
    """A call changes the next one's scores."""

    def forward(self, inputs):
        self.count = getattr(self, "count", 0) + 1
        return super().forward(inputs) + self.count


class Ignorant(Example):
    """Scores that most of the picture's contrast decides: weights of one value."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([1.0, 0.6, 0.3]))
        del self.layer

    def forward(self, inputs):
        contrast = inputs["vision"][:, 0].diff(dim=-1).square().flatten(1).sum(1)
        return contrast[:, None] * self.scale


@pytest.fixture
def run(monkeypatch):
    def call(system, *arguments):
        monkeypatch.setattr(cli_options, "load_system", lambda name: system)
        done = CliRunner().invoke(check, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return call


def test_a_sound_system_and_method_leave_with_status_zero(run):
    status, out, _ = run(Example(), "--system", "mine")
    assert status == 0
    assert out.startswith("No input was given: this is mine's own example.\n")
    for told in ("Contract kept: ", "two calls agree", "gradient-times-input: ", "passed", *(
        "parameter-randomisation", "label-swap", "input-independence"), "No check failed.", "shows no map to be true",
    ):  # fmt: skip
        assert told in out


def test_a_check_that_fails_leaves_with_status_one_and_says_why(run):
    status, out, _ = run(Ignorant(), "--method", "gradient")
    assert status == 1
    flat = " ".join(out.split())
    assert "failed parameter-randomisation" in flat
    assert "Failed: gradient: parameter-randomisation" in flat
    assert "rank correlation 1.00 in vision" in flat


def test_a_broken_contract_leaves_with_status_one_and_no_method_is_checked(run):
    status, out, _ = run(Unsteady(), "--method", "gradient")
    assert status == 1
    assert "Contract broken" in out
    assert "two calls differ by 1" in out
    assert "Mend the system first: no method was checked." in out
    assert "label-swap" not in out


def test_json_is_the_whole_result_and_nothing_else(run):
    status, out, _ = run(Example(), "--json", "--method", "gradient", "--method", "gradient-times-input", "--seed", "3")
    found = json.loads(out)
    assert status == 0
    assert found["system"] == "courier"
    assert found["passed"] is True
    assert found["contract"]["met"] is True
    assert [row["method"] for row in found["methods"]] == ["gradient", "gradient-times-input"]
    checks = found["methods"][0]["checks"]
    assert [row["name"] for row in checks] == ["parameter-randomisation", "label-swap", "input-independence"]
    assert len(checks[1]["figures"]["null"]) == 19
    assert set(checks[1]["figures"]["swapped"]) < set(ACTIONS)
    status, out, _ = run(Unsteady(), "--json")
    found = json.loads(out)
    assert (status, found["passed"], found["contract"]["met"], found["methods"]) == (1, False, False, [])
    assert "two calls differ" in found["contract"]["broken"]


def test_a_method_named_twice_is_checked_once(run):
    _, out, _ = run(Example(), "--json", "--method", "gradient", "--method", "gradient")
    assert len(json.loads(out)["methods"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "nonsense"), "no method 'nonsense'"),
        (("--method", "layer-integrated-gradients"), "must be told which layer"),
        (("--method", "guided-backprop"), "no ReLU was met"),
        (("--microphone", "x.wav"), "has no sense 'audio'; it has vision"),
    ],
)
def test_what_cannot_be_checked_is_an_error_in_words(run, arguments, message):
    with pytest.raises(InputError, match=message):
        run(Example(), *arguments)


def test_a_seed_below_zero_is_a_usage_error(run):
    status, _, err = run(Example(), "--seed", "-1")
    assert status == 2
    assert "--seed" in err


def test_a_system_without_an_example_must_be_given_something(run):
    with pytest.raises(InputError, match="no input was given"):
        run(Toy(lambda i: i["vision"].sum((1, 2, 3, 4)), EYES))


def test_progress_is_shown_on_stderr_while_a_terminal_looks_on(run, monkeypatch):
    seen: list[tuple[str, float]] = []
    monkeypatch.setattr(cli_check, "_progress", lambda: _Noted(seen))
    run(Example(), "--method", "gradient", "--method", "gradient-times-input")
    assert seen[0] == ("contract", 0.0)
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert list(dict.fromkeys(name for name, _ in seen)) == [
        "contract",
        "gradient",
        "gradient-times-input",
    ]


class _Noted:
    def __init__(self, seen) -> None:
        self.seen = seen

    def __enter__(self):
        return lambda what, share: self.seen.append((what, share))

    def __exit__(self, *error):
        return None


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys; from veridical.agent.cli_check import check; "
        "check.main(['--help'], standalone_mode=False); "
        "print([m for m in ('numpy', 'torch', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
