"""The guide and the README are run as they stand: every Python block, in order, with the real weights."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import click
import pytest

import veridical
from veridical.agent import cli
from veridical.agent.explainer import Explainer
from veridical.modalities.engines.methods import METHODS

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.M | re.S)

each_document = pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)


def run(path: Path, namespace: dict) -> dict[int, tuple[str, str]]:
    """Run a document's Python blocks; returns, by line, what was printed and the text block that stands below."""
    document = path.read_text(encoding="utf-8")
    printed, told = "", {}
    for match in BLOCK.finditer(document):
        line = document[: match.start()].count("\n") + 1
        if match[1] == "text":
            told[line] = printed, match[2]
            continue
        code = compile("\n" * line + match[2], str(path), "exec")  # so that a traceback shows the document's lines
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, namespace)  # noqa: S102 - our own document
        printed = out.getvalue()
    return told


@pytest.fixture(scope="session")
def guide(tmp_path_factory):
    """Namespace after the guide has run, the folder that it ran in, and its texts beside what was printed."""
    folder, namespace, before = tmp_path_factory.mktemp("guide"), {"__name__": "guide"}, Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        # The salt is held still, so that the controls, and with them a text, are the same in each run.
        patch.setattr(Explainer, "_salt", lambda self, digest: self.settings.salt or "guide")
        os.chdir(folder)
        try:
            told = run(ROOT / "docs" / "guide.md", namespace)
        finally:
            os.chdir(before)
    return namespace, folder, told


def test_the_guide_prints_what_it_says(guide):
    _, _, told = guide
    assert len(told) == 4
    for line, (printed, text) in told.items():
        pattern = re.escape(text.strip()).replace("…", ".*")  # an ellipsis leaves out the rest of a line
        assert re.fullmatch(pattern, printed.strip()), f"guide.md:{line}: printed {printed!r}"


def test_the_guide_to_fusion_prints_what_it_says(stamps):
    told = run(ROOT / "docs" / "guide-fusion.md", {"__name__": "guide"})
    assert len(told) == 9
    for line, (printed, text) in told.items():
        pattern = re.escape(text.strip()).replace("…", ".*")
        assert re.fullmatch(pattern, printed.strip()), f"guide-fusion.md:{line}: printed {printed!r}"


def test_the_guides_own_system_is_explained_by_what_it_looks_at(guide):
    namespace, _, _ = guide
    account = namespace["account"]
    first = account.claims[0]
    labels, red = account.arrays()["vision.units"][0], namespace["frame"][:, :, 0] > 220
    assert first["modality"] == "vision"
    assert set(first["units"]) >= set(labels[red]) - set(labels[~red])  # all superpixels wholly in the red square
    assert sum((labels[red] == unit).sum() for unit in first["units"]) > 0.9 * red.sum()
    assert first["predicted"] < -1
    assert first["status"] == "confirmed"


def test_the_guide_to_attribution_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    told = run(ROOT / "docs" / "guide-attribution.md", {"__name__": "guide"})
    assert len(told) == 1
    for line, (printed, text) in told.items():
        assert printed.strip() == text.strip(), f"guide-attribution.md:{line}"


def test_the_guide_to_attribution_lists_every_method():
    text = (ROOT / "docs" / "guide-attribution.md").read_text(encoding="utf-8")
    assert set(METHODS) <= set(re.findall(r"`([a-z-]+)`", text.partition("## On tensors")[0]))


def test_couriers_account_in_the_guide_is_whole(guide):
    namespace, folder, _ = guide
    explanation = namespace["explanation"]
    assert explanation.decision in namespace["robot"].actions
    assert explanation.verdict in ("supported", "unsupported", "inconclusive")
    assert (folder / "out" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert namespace["result"]["verdict"]["commitment"] == explanation.result["verdict"]["commitment"]


def test_the_readme_runs(guide, tmp_path, monkeypatch):
    explanation = guide[0]["explanation"]  # made once: it takes some seconds
    monkeypatch.setattr(veridical, "explain", lambda system, observation: explanation)
    monkeypatch.chdir(tmp_path)
    run(ROOT / "README.md", {})
    assert (tmp_path / "out" / "report.html").is_file()


@each_document
def test_every_command_in_the_documents_is_understood(path):
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"^    veridical (.+)$", text, re.M):
        words = re.findall(r'"[^"]*"|\S+', line.split(" # ")[0])
        command = cli.cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(command), words.pop(0))
            assert command is not None, line
        command.make_context("veridical", [word.strip('"') for word in words], resilient_parsing=False)


@each_document
def test_every_target_of_make_in_the_documents_is_there(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(encoding="utf-8"), re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"{path.name}: make {target}"


def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document
def test_every_link_inside_the_project_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link}"


@each_document
def test_no_marked_spot_is_left(path):
    assert not re.findall(r"<<[^>]*>>", path.read_text(encoding="utf-8"))
