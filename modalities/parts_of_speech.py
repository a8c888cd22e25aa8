"""Parts of speech: what each word of an English instruction does in its sentence.

Function words are few and stand here in lists. What another word *can* be (noun, verb, adjective, adverb) is looked up
in LemmInflect's lexicon; which of these it *is* follows from the words around it by ordered rules, as in Brill, "A
simple rule-based part of speech tagger" (1992), but written by hand. That is a small tagger, not a parser: of the 178
words of 20 sentences that were tagged by hand before it saw them it got 97 % right, and its test holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["CLASSES", "classify", "is_base"]

CLASSES = (
    "adjective",
    "adverb",
    "conjunction",
    "determiner",
    "mark",
    "name",
    "noun",
    "number",
    "preposition",
    "pronoun",
    "subordinator",
    "verb",
)
"""Parts of speech that are told apart; auxiliaries are verbs, the infinitive's "to" is a preposition."""

_DETERMINERS = "a an the this that these those every each all both any some no another either neither such what which"
_ALWAYS = "a an the every no my your his its our their whose"
_SUBJECTS = "i he she we they who you it this that these those"
_PRONOUNS = (
    "i you he she it we they me him us them mine yours hers ours theirs myself yourself himself herself itself "
    "ourselves yourselves themselves who whom somebody someone something anybody anyone anything everybody everyone "
    "everything nobody nothing none"
)
_PREPOSITIONS = (
    "of in on at by with from to into onto for about above across against along amid among around behind below "
    "beneath beside besides between beyond down during except inside like near off out outside over past per through "
    "throughout till toward towards under underneath up upon via within without opposite next"
)
_BOTH = "until till before after since than as"
_SUBORDINATORS = "if when whenever while because although though unless whether where wherever once lest why how"
_CONJUNCTIONS = "and or but nor yet plus"
_NUMBERS = (
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen"
)
_AUXILIARIES = (
    "am is are was were be been being has have had having do does did can could may might must shall should will would "
    "ought cannot"
)
_ADVERBS = (
    "not never always again here there then now so too very quite rather just only also already soon today tomorrow "
    "yesterday tonight ever almost maybe perhaps else instead away aside ahead together please well "
    "o'clock"
)
_ADJECTIVES = "other same own"  # which the lexicon has as nouns, or not at all
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth last next"
_PARTICLES = frozenset("in on off out over up down by past through around along about across back behind near".split())
_MODALS = frozenset("can could may might must shall should will would cannot do does did to".split())
_BE = frozenset("am is are was were be been being".split())

_SETS = {
    name: frozenset(words.split())
    for name, words in {
        "determiner": f"{_DETERMINERS} {_ALWAYS} her",
        "pronoun": _PRONOUNS,
        "preposition": _PREPOSITIONS,
        "both": _BOTH,
        "subordinator": _SUBORDINATORS,
        "conjunction": _CONJUNCTIONS,
        "number": _NUMBERS,
        "verb": _AUXILIARIES,
        "adverb": _ADVERBS,
        "adjective": _ADJECTIVES,
        "ordinal": _ORDINALS,
        "subject": _SUBJECTS,
        "always": _ALWAYS,
    }.items()
}
_OPEN = {"NOUN": "noun", "PROPN": "noun", "VERB": "verb", "AUX": "verb", "ADJ": "adjective", "ADV": "adverb"}
_CONTRACTED = {"re": "are", "m": "am", "ll": "will", "d": "would", "ve": "have"}
_ENDS = frozenset(".!?:;")
_UNKNOWN: dict[str, frozenset[str]] = {"noun": frozenset()}


@lru_cache(maxsize=4096)
def _readings(word: str) -> dict[str, frozenset[str]]:
    """Return the open classes that a word may belong to, each with its base forms; a word not known may be a noun."""
    from lemminflect import getAllLemmas

    found: dict[str, frozenset[str]] = {}
    for kind, lemmas in getAllLemmas(word).items():
        found[_OPEN[kind]] = found.get(_OPEN[kind], frozenset()) | frozenset(lemmas)
    return found or _UNKNOWN


def is_base(word: str, kind: str) -> bool:
    """Return whether a word is its own base form as a noun or a verb; a word that is not known as such is."""
    return not (bases := _readings(word).get(kind)) or word in bases


def classify(words: Sequence[str]) -> tuple[str, ...]:
    """Return the part of speech of each word, one of `CLASSES`.

    Args:
        words: a text's words in order, and punctuation marks as words of their own: they end clauses and sentences.

    Example:
        >>> classify(["Wait", "at", "the", "kerb", "."])
        ('verb', 'preposition', 'determiner', 'noun', 'mark')
    """
    known: list[str] = []
    for at in range(len(words)):
        known.append(_Place(words, known, at).find())
    return tuple(known)


def _head(word: str) -> str:
    """Return a word in lower case without what is contracted to it: "they" of "they're", "do" of "don't"."""
    word = word.lower().replace("’", "'")
    if word.endswith("n't") and len(word) > 3:
        return {"can't": "can", "won't": "will", "shan't": "shall"}.get(word, word[:-3])
    return word if word == "o'clock" else word.split("'")[0] or word


class _Place:
    """One word in its sentence, with the classes of the words before it."""

    def __init__(self, words: Sequence[str], known: Sequence[str], at: int) -> None:
        self.words, self.known, self.at = words, known, at
        self.word = _head(words[at])
        self.first = at == 0 or words[at - 1] in _ENDS
        back = at - 1  # adverbs are looked through: what "slowly" stands before says nothing of what is due
        while back >= 0 and known[back] == "adverb":
            back -= 1
        self.before = "start" if back < 0 or words[back] in _ENDS else known[back]
        self.last = "" if back < 0 else _head(words[back])
        contracted = "" if back < 0 else words[back].lower().replace("’", "'").rpartition("'")[2]
        if contracted in _CONTRACTED:
            self.before, self.last = "verb", _CONTRACTED[contracted]
        self.negated = at > 0 and words[at - 1].lower().replace("’", "'").endswith(("not", "never", "n't"))
        self.next = words[at + 1].lower() if at + 1 < len(words) else "."
        self.can = _readings(self.word)

    def find(self) -> str:
        """Return the class of the word."""
        raw = self.words[self.at]
        if not any(c.isalnum() for c in raw):
            return "mark"
        if any(c.isdigit() for c in raw) or self.word in _SETS["number"]:
            return "number"
        if raw[0].isupper() and not self.first and self.word != "i":
            return "name"
        starts = raw[0].isupper() and self.can is _UNKNOWN
        return self._function() or ("name" if starts else self._open())

    def _function(self) -> str | None:
        """Return the class of a function word, None for any other."""
        word, ahead = self.word, self._ahead()
        if word == "that" and self.before in ("noun", "verb"):
            return "pronoun" if self.before == "noun" and ahead == "verb" else "subordinator"
        if word == "one":
            return "number" if ahead == "noun" else "noun"
        if word in _SETS["determiner"]:
            return "determiner" if ahead in ("noun", "adjective") or word in _SETS["always"] else "pronoun"
        if word in _SETS["ordinal"] | _SETS["adjective"] and (ahead == "noun" or self.before == "determiner"):
            return "adjective"
        if word in ("like", "past", "next") and "verb" in self.can and self._wants_verb():
            return "verb"
        if word == "long" and self.words[self.at - 1 :][:1] == ["as"]:
            return "adverb"
        if word in _SETS["both"]:
            return "subordinator" if self._clause_follows() else "adverb" if word == "as" else "preposition"
        if word in _PARTICLES and ahead not in ("noun", "adjective", "determiner", "pronoun", "number"):
            return "adverb"
        for name in ("preposition", "pronoun", "subordinator", "conjunction", "verb", "adverb"):
            if word in _SETS[name]:
                return name
        return None

    def _ahead(self) -> str:
        """Return what the next word looks like by itself."""
        word = self.next
        if not any(c.isalnum() for c in word):
            return "mark"
        for name in ("determiner", "pronoun", "conjunction", "subordinator", "both", "verb", "number", "ordinal"):
            if word in _SETS[name]:
                return {"both": "subordinator", "ordinal": "adjective"}.get(name, name)
        if word in _SETS["preposition"] or word in _SETS["adverb"]:
            return "adverb" if word in _SETS["adverb"] else "preposition"
        can = _readings(word)
        return next(name for name in ("noun", "adjective", "adverb", "verb") if name in can)

    def _clause_follows(self) -> bool:
        """Whether a verb with a subject of its own follows before the clause ends."""
        for offset, raw in enumerate(self.words[self.at + 1 :]):
            word = raw.lower()
            if not any(c.isalnum() for c in word) or word in _SETS["conjunction"]:
                return False
            if word in _SETS["verb"]:
                return True
            if offset and "verb" in _readings(word) and word not in _SETS["preposition"] | _SETS["adverb"]:
                subject = self.words[self.at + offset].lower()
                if subject in _SETS["pronoun"] or not self._base(word, _readings(word)):
                    return True
        return False

    @staticmethod
    def _base(word: str, can: dict[str, frozenset[str]]) -> bool:
        return word in can.get("verb", ())

    def _verb_seen(self) -> bool:
        """Whether the clause has its verb already."""
        for word, kind in zip(reversed(self.words[: self.at]), reversed(self.known), strict=True):
            if kind in ("mark", "subordinator", "conjunction") or word.lower() in ("who", "which"):
                return False
            if kind == "verb":
                return True
        return False

    def _wants_verb(self) -> bool:
        """Whether a verb is due here and the word's form agrees with what stands before."""
        base = self._base(self.word, self.can)
        if self.last in _MODALS:
            return base
        if self.before in ("start", "mark", "conjunction"):
            return base and self.next not in _SETS["verb"] and (self.before == "start" or self._ahead() != "mark")
        if self._verb_seen():
            return False
        if self.before == "pronoun":
            return self.last in _SETS["subject"] or not base
        if self.before in ("noun", "name"):
            return not is_base(self.last, "noun") or not base
        return False

    def _open(self) -> str:
        """Return the class of a noun, verb, adjective or adverb: the first that it can be of those due here."""
        if len(self.can) == 1:
            return self._only()
        if self.before == "determiner" and self._ahead() in ("verb", "mark", "preposition", "conjunction"):
            return "noun"  # whatever else it can be: "from the top is"
        return next((name for name in self._due() if name in self.can), next(iter(self.can)))

    def _only(self) -> str:
        """Return the only class; a participle before a noun, behind a determiner, describes it."""
        (name,) = self.can
        if name == "verb" and self.before in ("determiner", "adjective") and self._ahead() == "noun":
            return "adjective"
        return name

    def _due(self) -> tuple[str, ...]:
        """Return the classes that may stand here, the likeliest first."""
        before, ahead, base = self.before, self._ahead(), self._base(self.word, self.can)
        finite = "verb" in _readings(self.next) and not self._base(self.next, _readings(self.next))
        describes = ahead in ("noun", "adjective") and not (finite and "noun" in self.can and not self._verb_seen())
        if before in ("determiner", "adjective", "number"):
            return ("adjective", "noun", "adverb", "verb") if describes else ("noun", "adjective", "verb")
        if before == "preposition" and self.last != "to":
            return ("adjective", "noun", "verb") if describes else ("noun", "adjective", "verb")
        if self._wants_verb() or (self.negated and base):
            return ("verb", "noun", "adjective", "adverb")
        if before in ("noun", "name"):
            return ("noun", "adverb", "adjective", "verb") if self._verb_seen() else ("noun", "verb", "adverb")
        if before == "verb" and self.last in _BE:
            return ("adjective", "noun", "adverb", "verb") if base else ("verb", "adjective", "noun", "adverb")
        if before in ("verb", "pronoun"):
            if describes and before == "verb":
                return ("adjective", "noun", "adverb", "verb")
            return ("adverb", "adjective", "noun", "verb")
        return ("adjective", "noun", "adverb", "verb") if describes else ("noun", "adjective", "adverb", "verb")
