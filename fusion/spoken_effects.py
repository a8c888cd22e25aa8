"""What a spoken word does to the decision: its sound is taken away, and what is heard then is read by the system.

The whole chain is run, from sound to words to decision, so that this is measured, not predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ..errors import InputError
from ..modalities.contract import Observation, SplitSystem, System
from ..modalities.encoders.whisper import SAMPLE_RATE, Hearing, Whisper
from ..modalities.engines.ranks import rank_correlation
from ..modalities.held import held
from ..modalities.observation import prepare
from ..modalities.scorer import logits_of
from ..modalities.target import Target
from ..modalities.wording import listed, nats, seconds
from .speech import Carried, Spoken
from .tail import Head

__all__ = [
    "OPERATORS",
    "ComparedWord",
    "Comparison",
    "SpokenEffect",
    "SpokenEffects",
    "compare",
    "kept_words",
    "silence_span",
    "spoken_effects",
]

OPERATORS = ("silence", "floor")
"""What stands in a word's place: nothing, or noise as loud as the recording's quieter fifth."""

_RAMP = 0.005  # seconds within which the sound goes out and comes back, inside the span: a hard cut would click
_STEP = SAMPLE_RATE // 100
_QUIET = 0.2


def silence_span(
    wave: Float[np.ndarray, " samples"], start: float, end: float, operator: str = "silence", seed: int = 0
) -> Float32[np.ndarray, " samples"]:
    """Return a recording at 16 kHz without the sound between two seconds; every other sample stays bit for bit.

    Args:
        wave: the samples.
        start: second at which the sound goes out, within 5 ms.
        end: second by which it is back.
        operator: ``"silence"``, or ``"floor"``: white noise of the power that a fifth of the recording's moments of
            10 ms stay below, so that no silence is put where there was none.
        seed: of the noise.

    Raises:
        InputError: an unknown operator, or a span that is no part of the recording.
    """
    if operator not in OPERATORS:
        raise InputError(f"speech: no operator {operator!r}; it has {', '.join(OPERATORS)}")
    duration = len(wave) / SAMPLE_RATE
    if not 0 <= start < end <= duration + 1e-6:
        raise InputError(f"speech: {start} to {end} s is no part of a recording of {duration:.3g} s")
    first, past = round(start * SAMPLE_RATE), min(round(end * SAMPLE_RATE), len(wave))
    count = past - first
    ramp = min(round(_RAMP * SAMPLE_RATE), count // 2)
    fade = np.zeros(count)
    fade[:ramp] = 0.5 + 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))
    fade[count - ramp :] = fade[:ramp][::-1]
    edited = wave.astype(np.float32)
    edited[first:past] = wave[first:past] * fade
    if operator == "floor":
        moments = wave[: len(wave) // _STEP * _STEP].astype(np.float64).reshape(-1, _STEP)
        power = float(np.quantile((moments**2).mean(1), _QUIET)) if len(moments) else 0.0
        noise = np.random.default_rng(seed).standard_normal(count)
        edited[first:past] += (np.sqrt(power) * noise * (1 - fade)).astype(np.float32)
    return edited


def kept_words(before: Sequence[str], after: Sequence[str]) -> tuple[bool, ...]:
    """Return which words of a transcript still stand in another, in order; case and punctuation do not count.

    >>> kept_words(["Please", "hold", "while"], ["please", "while"])
    (True, False, True)
    """
    plain = [["".join(c for c in word.casefold() if c.isalnum()) for word in words] for words in (before, after)]
    kept = [False] * len(before)
    for first, _, size in SequenceMatcher(None, *plain, autojunk=False).get_matching_blocks():
        kept[first : first + size] = [True] * size
    return tuple(kept)


@dataclass(frozen=True)
class SpokenEffect:
    """What happened when one word's sound was taken away.

    Attributes:
        effect: change of the decision score, nats.
        action: what is decided then.
        text: what is heard then; empty where no speech is heard.
        lost: whether the word is no longer among what is heard.
        others: how many of the other words are no longer heard.
    """

    effect: float
    action: str
    text: str
    lost: bool
    others: int


@dataclass(frozen=True)
class SpokenEffects:
    """The effects of all words.

    Attributes:
        score: decision score with all that was said, nats.
        action: what was decided then.
        target: what the score is of, in words.
        operator: what stood in the words' place.
        effects: one for each word.
    """

    score: float
    action: str
    target: str
    operator: str
    effects: tuple[SpokenEffect, ...]


def spoken_effects(
    system: System,
    observation: Observation,
    spoken: Spoken,
    operator: str = "silence",
    *,
    sense: str = "text",
    target: Target | None = None,
    seed: int = 0,
    silence: float = 0.6,
) -> SpokenEffects:
    """Take each word's sound away, transcribe again, and let the system read what is heard now.

    Args:
        system: reads its instruction through a sense of text.
        observation: the other senses; what stands under ``sense`` is replaced by what is heard.
        spoken: the recording of the instruction.
        operator: what stands in the word's place; see `silence_span`.
        sense: the sense that reads the instruction.
        target: whose score is measured; by default that of the action decided on.
        seed: of the noise.
        silence: probability of nobody speaking above which an empty instruction is read.

    Raises:
        InputError: no such sense, an unknown operator, or an observation that cannot be used.
        ContractError: the system breaks the contract.
    """
    if sense not in system.modalities:
        raise InputError(f"speech: the system has no sense {sense!r}; it has {', '.join(system.modalities)}")
    waves = [silence_span(spoken.wave, t.start, t.end, operator, seed) for t in spoken.times]
    whisper = spoken.transcript.whisper
    heard = [_heard(whisper, wave) for wave in waves]
    texts = ["" if h.no_speech > silence else h.text for h in heard]
    logits = _logits(system, observation, sense, [spoken.text, *texts])
    asked = target or Target(int(logits[0].argmax()))
    scores = asked(logits).double().tolist()
    words = [word.text for word in spoken.transcript.words]
    actions: list[str] = [system.actions[int(row.argmax())] for row in logits]
    found = []
    for i, (hearing, text) in enumerate(zip(heard, texts, strict=True)):
        kept = kept_words(words, [word.text for word in hearing.words] if text else [])
        others = sum(not k for k in kept) - (not kept[i])
        found.append(SpokenEffect(scores[i + 1] - scores[0], actions[i + 1], text, not kept[i], others))
    return SpokenEffects(scores[0], actions[0], asked.describe(system.actions), operator, tuple(found))


def _heard(whisper: Whisper, wave: Float32[np.ndarray, " samples"]) -> Hearing:
    return whisper.transcribe(torch.from_numpy(wave)[None].to(whisper.allowed.device))


def _logits(
    system: System, observation: Observation, sense: str, texts: Sequence[str]
) -> Float[Tensor, "texts actions"]:
    """Return the scores of all actions for each text; what the system can be split into is encoded once."""
    rest: Mapping[str, Tensor] = {}
    others = {m: signal for m, signal in observation.items() if m != sense and signal is not None}
    if others:
        rest = {m: p.tensor for m, p in prepare(system, others).items()}
    asked: System | Head = Head(system) if isinstance(system, SplitSystem) else system
    rest = asked.encode(rest) if isinstance(asked, Head) else rest
    known: dict[str, Tensor] = {}
    with torch.no_grad(), held(system) as state:
        for text in dict.fromkeys(texts):
            own = {sense: system.modalities[sense].prepare(text).tensor}
            own = asked.encode(own) if isinstance(asked, Head) else own
            inputs = {m: {**rest, **own}[m] for m in system.modalities if m in rest or m in own}
            try:
                known[text] = logits_of(asked, inputs, 1, f"for {text!r}")
            finally:
                state.settle()
    logits = torch.cat([known[text] for text in texts])
    return logits if logits.dtype == torch.float64 else logits.float()


@dataclass(frozen=True)
class ComparedWord:
    """Both accounts of one word, nats: its own value, that of all words on its sound, and the sound's effect."""

    text: str
    value: float
    on_sound: float
    effect: float
    lost: bool


@dataclass(frozen=True)
class Comparison:
    """Both accounts of what was said.

    Attributes:
        words: word by word.
        agreement: weighted Jaccard index of what lies on the words' sound and what its loss took away; 1 where they are
            equal, 0 or below where the account told nothing.
        rank: Spearman's correlation of the two; None for fewer than three words, or where one of them is constant.
        sentence: in words.
    """

    words: tuple[ComparedWord, ...]
    agreement: float
    rank: float | None
    sentence: str


def compare(carried: Carried, effects: SpokenEffects) -> Comparison:
    """Hold what was carried back to the sound against what the sound's loss did.

    The nats that lie on a word's span foretell its effect: when the sound goes, they go. Weighted Jaccard index:
    ``1 - sum |p - m| / sum max(|p|, |m|)``, as for claims (`veridical.verifier.agreement`).

    Raises:
        InputError: accounts of different words.
    """
    if len(carried.words) != len(effects.effects):
        raise InputError(
            f"speech: {len(carried.words)} words carried, {len(effects.effects)} effects; compare the same"
        )
    on_sound = np.array([carried.within(word.time.start, word.time.end) for word in carried.words])
    taken = np.array([-one.effect for one in effects.effects])
    at_stake = float(np.maximum(np.abs(on_sound), np.abs(taken)).sum())
    agreement = 1 - float(np.abs(on_sound - taken).sum()) / at_stake if at_stake > 0 else 0.0
    rank = rank_correlation(on_sound, taken) if len(taken) > 2 else None
    words = tuple(
        ComparedWord(word.text, word.value, float(p), one.effect, one.lost)
        for word, p, one in zip(carried.words, on_sound, effects.effects, strict=True)
    )
    return Comparison(words, agreement, rank, _sentence(carried, effects))


def _sentence(carried: Carried, effects: SpokenEffects) -> str:
    if not carried.words:
        return "No word was heard."
    top = int(np.argmax([abs(word.value) for word in carried.words]))
    most = int(np.argmax([abs(one.effect) for one in effects.effects]))
    word, one = carried.words[top], effects.effects[top]
    where = seconds(word.time.start, word.time.end)
    heard = f"“{one.text}” was heard then" if one.text else "no speech was heard then"
    speaks = "for" if word.value >= 0 else "against"
    told = (
        f"Most speaks “{word.text}” {speaks} {effects.target} ({nats(word.value)} nats), said at {where}; without that "
        f"sound the score changed by {nats(one.effect)} nats, and {heard}."
    )
    if most != top:
        other = carried.words[most].text
        told += f" The sound of “{other}” did more: {nats(effects.effects[most].effect)} nats."
    flips = [f"“{w.text}”" for w, e in zip(carried.words, effects.effects, strict=True) if e.action != effects.action]
    return told + (f" Without the sound of {listed(flips)} another action is decided on." if flips else "")
