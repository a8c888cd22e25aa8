"""Methods held against the metrics over a folder."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.agent.test_folders import put_picture, put_sound
from tests.toys import EYES, READER, Toy, picture, sees_red
from veridical.agent import cli, cli_evaluate
from veridical.agent.evaluations import Asked, evaluate, feet, tables
from veridical.agent.folders import find_observations
from veridical.errors import InputError

SEES = Toy(sees_red, EYES)
QUICK = ("deletion-xplique", "unit-srg", "faithfulness-correlation", "sparsity")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("photographs")
    for seed in range(3):
        Image.fromarray(picture(seed=seed)[0]).save(path / f"{seed}.png")
    (path / "3.png").write_bytes(b"no picture")
    put_sound(path / "4.wav")
    return path


@pytest.fixture(scope="module")
def found(folder):
    asked = Asked(("occlusion", "gradient", "attention-rollout"), QUICK)
    return evaluate(SEES, find_observations(folder), asked)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line with the toy as its system; returns status, stdout and stderr."""
    monkeypatch.setattr(cli_evaluate, "load_system", lambda name: SEES)
    if "evaluate" not in cli.cli.commands:
        monkeypatch.setitem(cli.cli.commands, "evaluate", cli_evaluate.evaluate)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def test_each_figure_stands_for_an_observation_in_order(found):
    assert [seen.name for seen in found.seen] == ["0.png", "1.png", "2.png"]
    assert set(found.results) == set(QUICK)
    for by_method in found.results.values():
        assert [len(results) for results in by_method.values()] == [3, 3, 3]
    assert all(r.value > 0.3 for r in found.results["unit-srg"]["occlusion"])
    assert [len(t) for t in found.seconds.values()] == [3, 3, 0]


def test_what_cannot_be_used_is_skipped_and_said(found):
    assert [skipped.name for skipped in found.skipped] == ["3.png", "4.wav"]
    assert "not an image that Pillow can read" in found.skipped[0].reason
    assert "unknown modality 'audio'; this system has vision" in found.skipped[1].reason


def test_a_method_that_means_nothing_here_has_the_reason_in_place_of_figures(found):
    results = found.results["sparsity"]["attention-rollout"]
    assert all(r.value is None and "attention" in r.reason for r in results)
    assert found.interval("sparsity", "attention-rollout").mean is None


def test_the_interval_is_the_bootstraps_over_the_observations(found):
    values = [r.value for r in found.results["unit-srg"]["occlusion"]]
    interval = found.interval("unit-srg", "occlusion")
    assert interval.mean == pytest.approx(np.mean(values))
    assert min(values) <= interval.low <= interval.mean <= interval.high <= max(values)


def drawn(found, width: int) -> str:
    console = Console(width=width, file=None, record=True, force_terminal=False)
    with console.capture() as caught:
        for table in tables(found, width):
            console.print(table)
    return caught.get()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_holds_means_intervals_and_arrows_at_any_width(found, width: int):
    out = drawn(found, width)
    assert max(map(len, out.splitlines())) <= width
    interval = found.interval("unit-srg", "occlusion")
    row = next(line for line in out.splitlines() if line.startswith("unit-srg ↑"))
    assert f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]" in row
    assert "deletion-xplique ↓" in out
    assert out.count("metric ") == (2 if width == 80 else 1)
    assert all(name in out for name in ("occlusion", "gradient", "attention-rollout"))
    assert "–" in out
    assert "nan" not in out.lower()


def test_under_the_table_stand_protocols_reasons_and_what_was_skipped(found):
    told = "\n".join(feet(found))
    assert "3 observations; mean and 95 % bootstrap interval (percentile, 1000 resamples)." in told
    assert "so few observations (3) are too narrow" in told
    assert "xplique protocol: probability of the action decided on; pixels of a single-channel map, zero" in told
    assert "Pearson; decision score in nats; evidence units of vision (surround)" in told
    assert "attention-rollout: " in told
    assert "(3 of 3)" in told
    assert "Skipped 3.png: " in told
    assert "?." not in told
    assert told.endswith("2 entries of the folder skipped.")


def test_protocols_that_differ_between_observations_are_counted(tmp_path):
    for name, words in (("a", "stop by the door"), ("b", "stop if you meet someone by the door of this pharmacy")):
        (tmp_path / f"{name}.txt").write_text(words, encoding="utf-8")
    reads = Toy(lambda inputs: inputs["text"][:, :, 0].sum(1), READER)
    asked = Asked(("gradient-times-input",), ("faithfulness-correlation",))
    found = evaluate(reads, find_observations(tmp_path), asked)
    assert any("(the commonest of 2 protocols; --json names all)" in line for line in feet(found))
    assert len(found.to_dict()["metrics"]["faithfulness-correlation"]["protocols"]) == 2


def test_progress_runs_from_none_to_all_and_never_back(folder):
    shares, told = [], []
    asked = Asked(("gradient", "occlusion"), ("sparsity", "entropy"), limit=2)

    def note(what: str, share: float) -> None:
        told.append(what)
        shares.append(share)

    evaluate(SEES, find_observations(folder), asked, note)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert "1.png: occlusion: entropy" in told


def test_a_limit_is_one_of_observations_that_can_be_used(tmp_path):
    put_sound(tmp_path / "0.wav")
    for number in (1, 2, 3):
        put_picture(tmp_path / f"{number}.png", 40 * number)
    found = evaluate(SEES, find_observations(tmp_path), Asked(("occlusion",), ("sparsity",), limit=2))
    assert [seen.name for seen in found.seen] == ["1.png", "2.png"]
    assert [skipped.name for skipped in found.skipped] == ["0.wav"]


def test_the_same_seed_gives_the_same_json(folder):
    def once(seed: int):
        asked = Asked(("rise",), ("faithfulness-correlation", "unit-srg"), 1, seed)
        told = evaluate(SEES, find_observations(folder), asked).to_dict()
        return {k: v for k, v in told.items() if k != "seconds_per_attribution"}

    assert once(1) == once(1)
    assert once(1)["metrics"] != once(2)["metrics"]


def test_a_system_that_breaks_on_one_observation_loses_that_one(tmp_path):
    def score(inputs):
        bad = inputs["vision"].mean((1, 2, 3, 4)) < 0.1
        return sees_red(inputs) + 1.0 / (~bad).float() - 1.0

    put_picture(tmp_path / "black.png", 0)
    put_picture(tmp_path / "grey.png", 90)
    found = evaluate(Toy(score, EYES), find_observations(tmp_path), Asked(("occlusion",), ("sparsity",)))
    assert [seen.name for seen in found.seen] == ["grey.png"]
    assert "the scores are not finite for one observation" in found.skipped[0].reason


def test_a_system_that_breaks_on_edits_has_reasons_and_no_figures(tmp_path):
    def score(inputs):
        edited = inputs["vision"].flatten(1).std(1) < 0.01
        return sees_red(inputs) + (1.0 / (~edited).float() - 1.0)

    Image.fromarray(picture()[0]).save(tmp_path / "a.png")
    found = evaluate(Toy(score, EYES), find_observations(tmp_path), Asked(("occlusion",), ("deletion-xplique",)))
    result = found.results["deletion-xplique"]["occlusion"][0]
    assert result.value is None
    assert "the scores are not finite for an edited observation: [inf" in result.reason


def test_without_anything_to_use_the_first_reason_is_the_error(tmp_path):
    put_sound(tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"none of 1 observations can be used; the first, a\.wav: .* unknown"):
        evaluate(SEES, find_observations(tmp_path), Asked(("occlusion",), ("sparsity",)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"methods": ("nope",)}, "no method 'nope'"),
        ({"metrics": ("insertoin",)}, "near it: insertion"),
        ({"methods": ("layer-integrated-gradients",)}, "must be told which layer"),
        ({"limit": 0}, "limit 0; at least 1"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_computed(asked, message: str):
    with pytest.raises(InputError, match=message):
        Asked(**asked)


def test_text_alone_is_evaluated_on_its_words(tmp_path):
    (tmp_path / "a.txt").write_text("stop if you meet someone by the door of this pharmacy", encoding="utf-8")
    reads = Toy(lambda inputs: inputs["text"][:, :, 0].sum(1), READER)
    found = evaluate(reads, find_observations(tmp_path), Asked(("gradient-times-input",)))
    assert found.seen[0].senses == ("text",)
    assert found.results["comprehensiveness"]["gradient-times-input"][0].value is not None
    assert found.results["deletion"]["gradient-times-input"][0].reason == "the observation has no picture"


def test_the_command_prints_a_table_and_nothing_else_to_stdout(run, folder):
    status, out, _ = run(folder, "--method", "occlusion", "--metric", "unit-srg", "--metric", "sparsity")
    assert status == 0
    assert out.splitlines()[0].split() == ["metric", "occlusion"]
    assert "unit-srg ↑" in out
    assert "2 entries of the folder skipped." in out


def test_the_command_prints_json_of_finite_numbers_only(run, folder):
    status, out, _ = run(folder, "--method", "occlusion", "--metric", "unit-srg", "--limit", "2", "--json")
    told = json.loads(out, parse_constant=pytest.fail)
    assert status == 0
    assert [o["name"] for o in told["observations"]] == ["0.png", "1.png"]
    figure = told["metrics"]["unit-srg"]
    assert (figure["better"], figure["unit"]) == ("up", "probability")
    assert len(figure["methods"]["occlusion"]["values"]) == 2
    assert math.isclose(figure["methods"]["occlusion"]["mean"], sum(figure["methods"]["occlusion"]["values"]) / 2)
    assert told["seconds_per_attribution"]["occlusion"] > 0


def test_the_command_tells_errors_in_a_line(run, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty")[0::2] == (
        2,
        f"veridical: error: {tmp_path / 'empty'}: nothing in it; put pictures, recordings, .txt files or folders of "
        "these there\n",
    )
    assert "no method 'nope'" in run(folder, "--method", "nope")[2]
    assert run(folder, "--limit", "0")[0] == 2


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from veridical.agent import cli_evaluate\n"
        "try: cli_evaluate.evaluate(['--help'])\n"
        "except SystemExit as e: print(e.code, [m for m in ('numpy', 'torch', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
