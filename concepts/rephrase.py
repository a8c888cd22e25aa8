"""Rephrasing: sentences put in other words by a user's model, and a checker that lets no change of meaning through.

The checker knows no language. It reduces each sentence, as it was and as it is, to what carries its meaning: the
things, actions and figures in their order; the words that say whether something falls or rises, holds or does not, is
confirmed or open, in theirs; and it lets in no word that neither the sentence nor a short list of plain words has. **It
errs towards rejecting**: much that is harmless is turned down, so that what passes may stand in the original's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .draft import Sentence

__all__ = ["Rephrased", "rephrase"]

_POLARITY = {
    "not": r"not|cannot|no|none|nothing|never|nor|neither|\w+n't|unsupported|unsettled|unconfirmed|untested|unknown",
    "fall": r"falls?|fell|drops?|dropped|dropping|sinks?|decreases?|declines?|lowers?|lowered|shrinks?|goes down",
    "rise": r"rises?|rose|increases?|grows?|climbs?|goes up|raises?|raised",
    "against": r"against(?! [<>\d])|opposes?|opposing|counts? against",
    "rest": r"rests?|relies|relied|depends? (?:first |mainly )?on|based",
    "point": r"points?|pointed|indicates?",
    "confirm": r"confirm\w*|unconfirmed|borne out|bears? (?:it|this|that) out",
    "support": r"support\w*|unsupported",
    "settle": r"settle[sd]?|unsettled|decided either way",
    "test": r"tested|tests?|untested",
    "chance": r"chance",
    "know": r"known?|unknown",
    "measure": r"measured|measurements?",
    "cause": r"causes?|caused|because|due to|owing to|therefore|why",
    "become": r"becomes?|becoming|turns? into|switches to|changes to",
    "stay": r"stays?|remains?|keeps?",
    "ahead": r"ahead|in front of",
    "behind": r"behind|trails",
    "next": r"next|followed by|runner-up",
    "first": r"first(?: and foremost)?|foremost|mainly|chiefly|above all",
    "often": r"often|frequently",
    "seldom": r"seldom|rarely",
    "rather": r"rather than|instead of|in preference to",
    "together": r"together|jointly",
    "itself": r"itself|alone|single|singly",
    "direct": r"direct|directly",
    "predict": r"predicted|foretold|forecast",
    "system": r"system",
    "idle": r"does nothing|do nothing|made no difference|makes no difference|has no effect",
}
"""Words by what they say; those of one row may stand for each other, and must come in the order of the original."""
_REMOVAL = r"without|(?:tak\w+|leav\w+|left)\b(?:(?! and )[^.;:]){0,20}?\b(?:out|away)|remov\w+|absent|missing"
_PLAIN = frozenset(
    "a an the this that these those it its is was were be been being are has have had and but while whereas when if "
    "once then so in on at to of from by with for as which what who where than also there here though although yet "
    "however do does did went goes go comes come make makes made making stands lies take taken leave left speaks "
    "chose chosen picked selected opted choice decision decided score probability figure change changes changed effect "
    "amount way up down out nat nats plus account between ranges".split()
)
"""Words that any rephrasing may use: none of them turns a meaning or names a thing."""
_NUMBER = re.compile(
    r"(less than |under |below |more than |over |above |[<>] ?)?(-|\+)?(\d+(?:\.\d+)?)(%| nats?\b| s\b)?"
)
_LESS = ("less", "under", "below", "<")
_VERBATIM = ("called", "absent", "reason")
_FIRST_MARK, _SYSTEM = 0xE100, "\ue000"


@dataclass(frozen=True)
class Rephrased:
    """The outcome of a rephrasing.

    Attributes:
        text: the model's text if it was accepted, else the original.
        accepted: whether the checker found nothing against it.
        faults: what it found, one line each.
    """

    text: str
    accepted: bool
    faults: tuple[str, ...] = ()


def rephrase(sentences: Sequence[Sentence], model: Callable[[str], str]) -> Rephrased:
    """Put sentences in other words through a model, and keep the outcome only if it says the same.

    The model is given the whole text. What it returns must have as many sentences, in the same order; each must keep
    its things (by their exact phrases), actions, figures with their units, negations, directions, hedges and removals,
    and bring in no others. What was absent, and a verdict's reason, must be told as they stand.
    The check errs towards rejecting, and any failure of the model leaves the original standing.

    Args:
        sentences: of `sentences.justify` or `contrast.why_not`.
        model: a function from text to text; nothing but text comes back from it.
    """
    original = " ".join(sentence.text for sentence in sentences)
    try:
        text = model(original)
    except Exception as error:  # noqa: BLE001 - whatever a user's model does, the original stands
        return Rephrased(original, False, (f"the model failed: {type(error).__name__}",))
    if not isinstance(text, str):
        return Rephrased(original, False, (f"the model returned {type(text).__name__}, not text",))
    text = re.sub(r"[ \t\r\n]+", " ", text).strip()
    faults = _faults(sentences, text) if text else ["the model returned no text"]
    return Rephrased(original, False, tuple(faults)) if faults else Rephrased(text, True)


@dataclass(frozen=True)
class _Marks:
    """One character for each thing and action of the text, so that what is in their names counts for nothing else."""

    things: tuple[str, ...]
    actions: tuple[str, ...]
    system: str

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> _Marks:
        facts = [fact for sentence in sentences for fact in sentence.facts if isinstance(fact.value, str)]
        things = {_plain(str(f.value)) for f in facts if f.relation in _VERBATIM}
        actions = {_plain(str(f.value)) for f in facts if f.unit == "action"}
        system = next((_plain(str(f.value)) for f in facts if f.relation == "system"), "")
        longest = [tuple(sorted(found - {""}, key=lambda w: (-len(w), w))) for found in (things, actions)]
        return cls(longest[0], longest[1], system)

    def put(self, text: str) -> str:
        """Put the marks in place of the names."""
        for i, (name, flags) in enumerate(
            [*((t, re.IGNORECASE) for t in self.things), *((a, re.NOFLAG) for a in self.actions)]
        ):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", chr(_FIRST_MARK + i), text, flags=flags)
        return re.sub(rf"(?<!\w){re.escape(self.system)}(?!\w)", _SYSTEM, text) if self.system else text

    def name(self, mark: str) -> str:
        """Return what a mark stands for."""
        return (*self.things, *self.actions)[ord(mark) - _FIRST_MARK]


def _plain(text: str) -> str:
    """Return a text with one way to write quotes, dashes, minus signs, per cent and spaces."""
    text = text.translate(str.maketrans("“”„‘’–−\u00a0\u202f", '"""\'\'--  '))
    text = re.sub(r"\b(?:minus|negative) (?=\d)", "-", text)
    return re.sub(r"(?<=\d) ?(?:%|per ?cent\b)", "%", text)


def _faults(sentences: Sequence[Sentence], text: str) -> list[str]:
    if any(0xE000 <= ord(c) <= 0xF8FF for c in text):
        return ["it holds characters of private use"]
    marks = _Marks.of(sentences)
    pieces = [piece for piece in re.split(r"\.(?:\s+|$)", marks.put(_plain(text))) if piece]
    if len(pieces) != len(sentences):
        return [f"it has {len(pieces)} sentences in place of {len(sentences)}"]
    faults = []
    for i, (sentence, piece) in enumerate(zip(sentences, pieces, strict=True), 1):
        was = marks.put(_plain(sentence.text)).removesuffix(".")
        faults += [f"sentence {i}: {fault}" for fault in _differences(was, piece, marks)]
    return faults


def _differences(was: str, now: str, marks: _Marks) -> list[str]:
    faults = []
    before, after = _anchors(was, marks), _anchors(now, marks)
    if before != after:
        faults.append(f"things, actions and figures were {', '.join(before)}; they are {', '.join(after) or 'none'}")
    if was.count(_SYSTEM) != now.count(_SYSTEM):
        faults.append(f"{marks.system} is named {now.count(_SYSTEM)} times; it was {was.count(_SYSTEM)}")
    before, after = _polarity(was), _polarity(now)
    if before != after:
        faults.append(f"its turns were {', '.join(before) or 'none'}; they are {', '.join(after) or 'none'}")
    removals = [len(re.findall(rf"\b(?:{_REMOVAL})\b", side, re.IGNORECASE)) for side in (was, now)]
    if removals[0] != removals[1]:
        faults.append(f"something is taken out {removals[1]} times; it was {removals[0]}")
    new = _words(now) - _words(was) - _PLAIN
    return [*faults, f"it brings in: {', '.join(sorted(new))}"] if new else faults


def _anchors(text: str, marks: _Marks) -> list[str]:
    """Things and actions by name, and figures with bound, sign and unit, as they come."""
    found = []
    for match in re.finditer(rf"[{chr(_FIRST_MARK)}-\uf8ff]|{_NUMBER.pattern}", text, re.IGNORECASE):
        if match.group(3) is None:
            found.append(marks.name(match.group()))
            continue
        bound, sign, figure, unit = match.groups()
        bound = "" if bound is None else "<" if bound.strip().lower().startswith(_LESS) else ">"
        minus = "-" if sign == "-" else ""
        found.append(f"{bound}{minus}{float(figure):g}{(unit or '').strip().rstrip('s')}")
    return found


def _polarity(text: str) -> list[str]:
    """The words that turn a meaning, by their rows, as they come."""
    found = []
    for row, words in _POLARITY.items():
        # "unconfirmed" says both rows at once; the negation comes first, as in "not confirmed".
        found += [(m.start(), row != "not", row) for m in re.finditer(rf"\b(?:{words})\b", text, re.IGNORECASE)]
    return [row for _, _, row in sorted(found)]


def _words(text: str) -> set[str]:
    """Words and signs that are neither figures nor of a row."""
    for words in (*_POLARITY.values(), _REMOVAL):
        text = re.sub(rf"\b(?:{words})\b", " ", text, flags=re.IGNORECASE)
    text = re.sub(rf"[{_SYSTEM}{chr(_FIRST_MARK)}-\uf8ff]", " ", _NUMBER.sub(" ", text))
    return set(re.findall(r"[^\W\d_]+(?:'\w+)?|[^\w\s.,;:()'-]", text.lower()))
