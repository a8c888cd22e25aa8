"""Are a word's seconds where the word is said?

``python -m benchmarks.speech`` (``make benchmark-speech``).

On Debian's prompts (asterisk-core-sounds-en-wav, the voice Allison, 8 kHz), as Whisper tiny.en hears them. First the
word spans are held against the few that were checked by hand (``benchmarks/data/word_spans.json``, which says how).
Then, on prompts drawn at random among those of 3 to 8 words, each word's span is silenced and the rest transcribed
again: is that word gone or another one now? The control silences a span of the same length that begins elsewhere, drawn
evenly from where there is speech and that word is not. Told are the shares of words lost, with 95 % intervals by
bootstrap over prompts, and how many of the other words went with them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from veridical.errors import InputError, VeridicalError
from veridical.fusion.speech import Spoken, hear
from veridical.fusion.spoken_effects import OPERATORS, kept_words, silence_span

__all__ = ["WORD_SPANS", "Deletion", "TimeError", "main", "measure_deletions", "measure_times", "summarise"]

WORD_SPANS = Path(__file__).with_name("data") / "word_spans.json"
"""Word spans that were checked by hand, and how."""

VOICES = Path(os.environ.get("VERIDICAL_VOICES", "/usr/share/asterisk/sounds/en_US_f_Allison"))
"""Where the Debian package puts the prompts; VERIDICAL_VOICES names another place."""

_WORDS = range(3, 9)
_RESAMPLES = 2000


@dataclass(frozen=True)
class TimeError:
    """One word's span against the one checked by hand, seconds; errors are found minus checked."""

    prompt: str
    word: str
    start: float
    end: float
    start_error: float
    end_error: float
    start_precision: float
    end_precision: float
    confidence: float


@dataclass(frozen=True)
class Deletion:
    """One word whose span was silenced.

    Attributes:
        prompt: name of the recording.
        word: the word.
        span: seconds silenced.
        lost: whether the word was no longer heard.
        others: share of the other words no longer heard.
        heard: what was.
        elsewhere: seconds silenced for the control; None where a span as long has no room.
        control_lost: whether the word was no longer heard then.
    """

    prompt: str
    word: str
    span: tuple[float, float]
    lost: bool
    others: float
    heard: str
    elsewhere: tuple[float, float] | None
    control_lost: bool | None


def _plain(word: str) -> str:
    return "".join(c for c in word.casefold() if c.isalnum())


def measure_times(
    folder: Path, path: Path = WORD_SPANS, listener: Callable[[Path], Spoken] = hear
) -> tuple[list[TimeError], list[str]]:
    """Hold word spans against those checked by hand.

    Returns:
        The errors, and the names of prompts that were heard as other words, of which there are none.

    Raises:
        InputError: a prompt is missing.
    """
    errors: list[TimeError] = []
    misheard: list[str] = []
    for prompt in json.loads(path.read_text("utf-8"))["prompts"]:
        spoken = listener(folder / f"{prompt['name']}.wav")
        words = [word.text for word in spoken.transcript.words]
        if [_plain(w) for w in words] != [_plain(w["word"]) for w in prompt["words"]]:
            misheard.append(prompt["name"])
            continue
        for word, time, true in zip(words, spoken.times, prompt["words"], strict=True):
            apart = (time.start - true["start"], time.end - true["end"])
            spread = (true["start_precision"], true["end_precision"])
            errors.append(TimeError(prompt["name"], word, time.start, time.end, *apart, *spread, time.confidence))
    return errors, misheard


def _elsewhere(spoken: Spoken, index: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Draw a span as long as a word's, from the first word's start to the last one's end, that does not touch it."""
    own = spoken.times[index]
    length = own.end - own.start
    first, last = spoken.times[0].start, spoken.times[-1].end
    rooms = [(a, b - length) for a, b in ((first, own.start), (own.end, last)) if b - length > a]
    if not rooms:
        return None
    sizes = np.array([b - a for a, b in rooms])
    low, high = rooms[rng.choice(len(rooms), p=sizes / sizes.sum())]
    start = float(rng.uniform(low, high))
    return start, start + length


def _deletions(name: str, spoken: Spoken, operator: str, rng: np.random.Generator) -> list[Deletion]:
    whisper, words = spoken.transcript.whisper, [word.text for word in spoken.transcript.words]

    def left(span: tuple[float, float]) -> tuple[str, tuple[bool, ...]]:
        wave = torch.from_numpy(silence_span(spoken.wave, *span, operator))[None]
        heard = whisper.transcribe(wave.to(whisper.allowed.device))
        return heard.text, kept_words(words, [word.text for word in heard.words])

    rows = []
    for i, (word, time) in enumerate(zip(words, spoken.times, strict=True)):
        text, kept = left((time.start, time.end))
        place = _elsewhere(spoken, i, rng)
        others = [not k for j, k in enumerate(kept) if j != i]
        lost_there = None if place is None else not left(place)[1][i]
        share = float(np.mean(others)) if others else 0.0
        rows.append(Deletion(name, word, (time.start, time.end), not kept[i], share, text, place, lost_there))
    return rows


def measure_deletions(
    folder: Path,
    prompts: int,
    seed: int = 0,
    operator: str = "silence",
    listener: Callable[[Path], Spoken] = hear,
) -> list[Deletion]:
    """Silence each word's span, and one elsewhere, on prompts of 3 to 8 words drawn in an order that the seed gives.

    Args:
        folder: of the prompts.
        prompts: how many.
        seed: of the order, and of the spans elsewhere.
        operator: what stands in the span's place.
        listener: how a prompt is heard; for tests.

    Raises:
        InputError: fewer such prompts than were asked for.
    """
    if prompts == 0:
        return []
    names = sorted(path.stem for path in folder.glob("*.wav"))
    rng, rows, found = np.random.default_rng(seed), [], 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("prompts", total=prompts)
        for k in rng.permutation(len(names)):
            try:
                spoken = listener(folder / f"{names[k]}.wav")
            except InputError:  # no speech: a tone
                continue
            if len(spoken.times) not in _WORDS:
                continue
            rows += _deletions(names[k], spoken, operator, rng)
            found += 1
            progress.update(task, advance=1)
            if found == prompts:
                return rows
    raise InputError(f"speech: {found} prompts of 3 to 8 words, {prompts} were asked for; install the whole package")


def _interval(rows: Sequence[Deletion], value: Callable[[Deletion], float | None]) -> dict[str, Any]:
    """Return the mean over words, and its 95 % interval by bootstrap over prompts."""
    sums: dict[str, list[float]] = {}
    for row in rows:
        if (one := value(row)) is not None:
            sums.setdefault(row.prompt, []).append(float(one))
    if not sums:
        return {"share": None, "interval": None, "words": 0}
    total, count = (np.array([f(v) for v in sums.values()], float) for f in (sum, len))
    drawn = np.random.default_rng(0).integers(len(total), size=(_RESAMPLES, len(total)))
    means = total[drawn].sum(1) / count[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    share = float(total.sum() / count.sum())
    return {"share": share, "interval": [float(low), float(high)], "words": int(count.sum())}


def _errors(values: np.ndarray, precisions: np.ndarray) -> dict[str, float]:
    size = np.abs(values)
    return {
        "median": float(np.median(size)),
        "mean": float(size.mean()),
        "root_mean_square": float(np.sqrt((values**2).mean())),
        "ninth_decile": float(np.quantile(size, 0.9)),
        "bias": float(values.mean()),
        "within_50_ms": float((size <= 0.05).mean()),
        "within_100_ms": float((size <= 0.1).mean()),
        "within_precision": float((size <= precisions + 1e-9).mean()),
    }


def summarise(times: Sequence[TimeError], misheard: Sequence[str], deletions: Sequence[Deletion]) -> dict[str, Any]:
    """Return errors of boundaries in seconds, and shares of words lost."""
    told: dict[str, Any] = {"times": {"words": len(times), "misheard": list(misheard)}, "deletions": {}}
    if times:
        errors, precisions = (
            np.array([[getattr(t, f"{edge}_{what}") for edge in ("start", "end")] for t in times])
            for what in ("error", "precision")
        )
        told["times"] |= {
            "prompts": len({t.prompt for t in times}),
            "start": _errors(errors[:, 0], precisions[:, 0]),
            "end": _errors(errors[:, 1], precisions[:, 1]),
            "both": _errors(errors.ravel(), precisions.ravel()),
        }
    if deletions:
        told["deletions"] = {
            "prompts": len({d.prompt for d in deletions}),
            "lost": _interval(deletions, lambda d: d.lost),
            "others_lost": _interval(deletions, lambda d: d.others),
            "control_lost": _interval(deletions, lambda d: d.control_lost),
        }
    return told


def _print(told: Mapping[str, Any]) -> None:
    console, times, deletions = Console(), told["times"], told["deletions"]
    if times["words"]:
        table = Table(title=f"Word spans against {times['words']} words of {times['prompts']} prompts checked by hand")
        for column in ("boundary", "median", "mean", "90 %", "bias", "≤ 50 ms", "≤ 100 ms", "≤ precision"):
            table.add_column(column, justify="left" if column == "boundary" else "right")
        for edge in ("start", "end", "both"):
            one = times[edge]
            lengths = [f"{1000 * one[key]:.0f} ms" for key in ("median", "mean", "ninth_decile", "bias")]
            shares = [f"{100 * one[key]:.0f} %" for key in ("within_50_ms", "within_100_ms", "within_precision")]
            table.add_row(edge, *lengths, *shares)
        console.print(table)
    if times["misheard"]:
        console.print(f"heard as other words, and left out: {', '.join(times['misheard'])}")
    if deletions:
        table = Table(title=f"Words no longer heard, over {deletions['prompts']} prompts (95 % intervals)")
        for column in ("what was silenced", "word lost", "interval", "words"):
            table.add_column(column, justify="left" if column == "what was silenced" else "right")
        named = (("lost", "the word's span"), ("control_lost", "as much elsewhere"), ("others_lost", "(other words)"))
        for key, name in named:
            one = deletions[key]
            cells = ("–", "–")
            if one["words"]:
                low, high = one["interval"]
                cells = (f"{100 * one['share']:.1f} %", f"{100 * low:.1f}–{100 * high:.1f} %")
            table.add_row(name, *cells, str(one["words"]))
        console.print(table)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speech", description="Spans of spoken words: their errors, and what they carry."
    )
    parser.add_argument("--prompts", type=int, default=40, help="prompts whose words are silenced; 0 for none")
    parser.add_argument("--operator", choices=OPERATORS, default="silence", help="what stands in a span's place")
    parser.add_argument("--seed", type=int, default=0, help="seed of the prompts' order and of the controls")
    parser.add_argument("--voices", type=Path, default=VOICES, help="folder of the prompts")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.prompts < 0 or not options.voices.is_dir():
            raise InputError(
                f"speech: {options.prompts} prompts in {str(options.voices)!r}; give 0 or more, and the folder of "
                "asterisk-core-sounds-en-wav (apt-get install it, or set VERIDICAL_VOICES)"
            )
        times, misheard = measure_times(options.voices)
        deletions = measure_deletions(options.voices, options.prompts, options.seed, options.operator)
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(times, misheard, deletions)
    if options.json:
        rows = {"times": [asdict(t) for t in times], "deletions": [asdict(d) for d in deletions]}
        print(json.dumps({**told, "rows": rows}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
