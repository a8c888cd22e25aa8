"""Differences: two decisions side by side, what matters most first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from ...errors import RecordError
from ...modalities.wording import nats, number, percent

__all__ = ["Difference", "Match", "difference"]

_ALIKE = 0.3
"""Least share of units, of both claims together, that matched claims have in common (Jaccard)."""
_TIE = 1e-6


@dataclass(frozen=True)
class Match:
    """Two claims, concepts or senses that are of the same thing, or one that the other decision has nothing like.

    Attributes:
        what: what they are of, in words.
        a: effect or share in the first, nats; None where it has none.
        b: the same in the second.
        overlap: share of units in common, 0 to 1; None where they were not matched by units.
        notes: what else differs, e.g. ``confirmed → negligible``.
    """

    what: str
    a: float | None
    b: float | None
    overlap: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> float | None:
        """The second less the first, nats; None where one is missing."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class Difference:
    """What differs between two decisions.

    Attributes:
        action: what each decided.
        verdict: what came of testing each account.
        cause: what decided each verdict.
        score: of each, nats; each is the score of its own action.
        probabilities: of every action, before and after.
        setting: what was not the same to begin with: system, version, signals, criteria; in words.
        shares: what each sense contributed.
        claims: claims on the same evidence, then those that only one of them has.
        concepts: likewise.
        sentences: what only the first says, and what only the second says.
    """

    action: tuple[str, str]
    verdict: tuple[str, str]
    cause: tuple[str, str]
    score: tuple[float, float]
    probabilities: Mapping[str, tuple[float | None, float | None]]
    setting: tuple[str, ...]
    shares: tuple[Match, ...]
    claims: tuple[Match, ...]
    concepts: tuple[Match, ...]
    sentences: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def same(self) -> bool:
        """Whether nothing that is compared differs."""
        pairs = [self.action, self.verdict, self.cause, self.score, *self.probabilities.values(), self.sentences]
        matched = [*self.shares, *self.claims, *self.concepts]
        alike = all(m.a == m.b and not m.notes for m in matched)
        return alike and not self.setting and all(a == b for a, b in pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        told = asdict(self)
        told |= {key: list(told[key]) for key in ("action", "verdict", "cause", "score", "setting")}
        told["probabilities"] = {action: list(pair) for action, pair in self.probabilities.items()}
        for key in ("shares", "claims", "concepts"):
            each = getattr(self, key)
            told[key] = [{**asdict(m), "notes": list(m.notes), "change": m.change} for m in each]
        told["sentences"] = {"only_a": list(self.sentences[0]), "only_b": list(self.sentences[1])}
        return {"same": self.same, **told}

    def lines(self, width: int = 100) -> list[str]:
        """Return the difference in words, the decision first, in lines of at most ``width`` characters."""
        told = [self._head(), *(f"  ! {each}" for each in self.setting)]
        if self.same:
            return _wrapped(told, width)
        told += ["", *self._figures()]
        for title, matches in (("Senses", self.shares), ("Evidence", self.claims), ("Concepts", self.concepts)):
            changed = [_line(m) for m in matches if m.a != m.b or m.notes]
            told += ["", f"{title} (nats, A → B)", *changed] if changed else []
        for title, sentences in zip("AB", self.sentences, strict=True):
            told += ["", f"Said of {title} alone", *(f"  {text}" for text in sentences)] if sentences else []
        return _wrapped(told, width)

    def _head(self) -> str:
        a, b = self.action
        if self.same:
            return f"Both decided {a}; nothing that is compared differs."
        decided = f"Both decided {a}" if a == b else f"A decided {a}, B decided {b}"
        (va, vb), (ca, cb) = self.verdict, self.cause
        if va == vb:
            return f"{decided}; both accounts are {va}" + (f" ({ca})." if ca == cb else f" ({ca}; {cb}).")
        return f"{decided}; the account of A is {va} ({ca}), that of B {vb} ({cb})."

    def _figures(self) -> Iterator[str]:
        (a, b), same = self.score, self.action[0] == self.action[1]
        change = f" ({nats(b - a)})" if same else ", each of its own action"
        yield f"Score: {nats(a)} → {nats(b)} nats{change}"
        for action, (before, after) in self.probabilities.items():
            yield f"  {action}: {_percent(before)} → {_percent(after)}"


def difference(a_result: Mapping[str, Any], b_result: Mapping[str, Any]) -> Difference:
    """Compare two decisions by their results, see ``docs/record.md``.

    Claims are matched by the units that they share where both were cut into the same evidence units, else by where
    they lie in words; concepts by their number where both come of the same bank, else by their label.

    Raises:
        RecordError: one of them lacks what is compared.
    """
    try:
        return _difference(a_result, b_result)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        told = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise RecordError(
            f"difference: a result cannot be read: {told}; it was altered, or is of another version"
        ) from error


def _difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> Difference:
    names = list(dict.fromkeys([*a["system"]["actions"], *b["system"]["actions"]]))
    chances = [r["decision"]["probabilities"] for r in (a, b)]
    told: list[list[str]] = [[s["text"] for s in r["justification"]["sentences"]] for r in (a, b)]
    only = tuple(text for text in told[0] if text not in told[1]), tuple(t for t in told[1] if t not in told[0])
    return Difference(
        action=(a["decision"]["action"], b["decision"]["action"]),
        verdict=(a["verdict"]["verdict"], b["verdict"]["verdict"]),
        cause=(a["verdict"].get("cause", ""), b["verdict"].get("cause", "")),
        score=(float(a["decision"]["score"]), float(b["decision"]["score"])),
        probabilities={n: (chances[0].get(n), chances[1].get(n)) for n in names},
        setting=tuple(_setting(a, b)),
        shares=_shares(a, b),
        claims=_claims(a, b),
        concepts=_concepts(a, b),
        sentences=only,
    )


def _setting(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """What was not the same to begin with."""
    one, other = a["system"], b["system"]
    if one["name"] != other["name"]:
        yield f"another system: {one['name']}, {other['name']}"
    elif one.get("digest") != other.get("digest"):
        yield f"another version of the system {one['name']}: its digests differ"
    if a.get("version") != b.get("version"):
        yield f"explained by versions {a.get('version')} and {b.get('version')}"
    for m in dict.fromkeys([*a["observation"], *b["observation"]]):
        first, second = a["observation"].get(m) or {}, b["observation"].get(m) or {}
        here, there = bool(first.get("present")), bool(second.get("present"))
        if here != there:
            yield f"{m} was there for {'A' if here else 'B'} alone"
        elif here and first.get("digest") != second.get("digest"):
            yield f"{m} was another signal"
    if a["verdict"].get("criteria") != b["verdict"].get("criteria"):
        yield "the accounts were tested by other criteria"
    if a["attribution"]["method"] != b["attribution"]["method"]:
        yield f"the contributions are of other methods: {a['attribution']['method']}; {b['attribution']['method']}"


def _shares(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Match, ...]:
    first, second = a["attribution"]["shares"], b["attribution"]["shares"]
    found = [Match(m, first.get(m), second.get(m)) for m in dict.fromkeys([*first, *second])]
    return tuple(sorted(found, key=_order))


def _order(match: Match) -> tuple[bool, float, str]:
    """Matched ones first, the largest change first; then the largest that only one has."""
    size = abs(match.change) if match.change is not None else max(abs(match.a or 0.0), abs(match.b or 0.0))
    return match.change is None, -size, match.what


def _claims(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Match, ...]:
    cuts = [(r["verdict"].get("committed") or {}).get("units", {}) for r in (a, b)]

    def overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        m = one["modality"]
        if m != other["modality"]:
            return 0.0
        if m in cuts[0] and cuts[0][m] == cuts[1].get(m):
            mine, theirs = set(one["units"]), set(other["units"])
            return len(mine & theirs) / max(len(mine | theirs), 1)
        return float(one["where"] == other["where"])

    def told(one: Mapping[str, Any]) -> str:
        return f"{one['name']}, {one['where']}" if one.get("name") else f"{one['modality']}: {one['where']}"

    pairs, alone = _matched(a["claims"], b["claims"], overlap)
    found = []
    for one, other, share in pairs:
        changed = [key for key in ("name", "status", "flips_to") if one.get(key) != other.get(key)]
        notes = [f"{_plain(key, one.get(key))} → {_plain(key, other.get(key))}" for key in changed]
        if one["where"] != other["where"]:
            notes.append(f"in B {other['where']}")
        found.append(Match(told(one), one["measured"], other["measured"], share, tuple(notes)))
    found += [Match(told(c), c["measured"], None) for c in alone[0]]
    found += [Match(told(c), None, c["measured"]) for c in alone[1]]
    return tuple(sorted(found, key=_order))


def _plain(key: str, value: Any) -> str:
    if value is None:
        return "decision stays or depends" if key == "flips_to" else "no name"
    return f"becomes {value}" if key == "flips_to" else str(value)


def _matched(
    first: Sequence[Any], second: Sequence[Any], overlap: Callable[[Any, Any], float]
) -> tuple[list[tuple[Any, Any, float]], tuple[list[Any], list[Any]]]:
    """Pair what is most alike first, each at most once; return the pairs, and what is left of both."""
    every = [(overlap(x, y), i, j) for i, x in enumerate(first) for j, y in enumerate(second)]
    pairs, left, right = [], dict(enumerate(first)), dict(enumerate(second))
    for share, i, j in sorted(every, key=lambda each: (-each[0], each[1], each[2])):
        if share >= _ALIKE and i in left and j in right:
            pairs.append((left.pop(i), right.pop(j), share))
    return pairs, (list(left.values()), list(right.values()))


def _concepts(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Match, ...]:
    """Concepts that have an effect in one of the decisions, each by the place where it has most."""
    told = [r.get("concepts") or {} for r in (a, b)]
    banks = [{m: bank["digest"] for m, bank in t.get("banks", {}).items()} for t in told]
    found: list[dict[tuple[str, str], Any]] = []
    for each in told:
        best: dict[tuple[str, str], Any] = {}
        for card in each.get("cards", ()):
            m = card["sense"]
            same = m in banks[0] and banks[0][m] == banks[1].get(m)
            key = m, f"#{card['concept']}" if same else card["label"]
            if key not in best or (card["drawn"], abs(card["effect"] or 0.0)) > best[key][0]:
                best[key] = (card["drawn"], abs(card["effect"] or 0.0)), card
        found.append({key: card for key, (_, card) in best.items()})
    matches = []
    for key in dict.fromkeys([*found[0], *found[1]]):
        one, other = found[0].get(key), found[1].get(key)
        if any(card and card["drawn"] for card in (one, other)):
            matches.append(_concept(key, one, other))
    return tuple(sorted(matches, key=_order))


def _concept(key: tuple[str, str], one: Any, other: Any) -> Match:
    """One concept in both; an effect that was not told from chance is none."""
    effects = [card["effect"] if card and card["drawn"] else None for card in (one, other)]
    roles = [card["role"] if card else "not there" for card in (one, other)]
    notes = (f"{roles[0]} → {roles[1]}",) if roles[0] != roles[1] else ()
    label = (one or other)["label"]
    if one and other and one["label"] != other["label"]:
        notes = (*notes, f"in B {other['label']}")
    return Match(f"{key[0]}: {label}", effects[0], effects[1], None, notes)


def _line(match: Match) -> str:
    sizes = [nats(x) if x is not None else "–" for x in (match.a, match.b)]
    change = "" if match.change is None else f" ({nats(match.change)})"
    more = [*match.notes]
    if match.overlap is not None and match.overlap < 1 - _TIE:
        more.insert(0, f"{percent(match.overlap)} of the units in common")
    if match.change is None and not match.notes:
        more.append(f"{'A' if match.b is None else 'B'} alone")
    return f"  {sizes[0]} → {sizes[1]}{change}  {match.what}" + (f"; {'; '.join(more)}" if more else "")


def _percent(value: float | None) -> str:
    return "no such action" if value is None else f"{number(100 * value, 1)} %"


def _wrapped(told: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for text in told:
        indent = " " * (4 if text.startswith("  ") else 0)
        first = text[: len(text) - len(text.lstrip())]
        lines += wrap(text.strip(), max(width, 20), initial_indent=first, subsequent_indent=indent) or [""]
    return lines
