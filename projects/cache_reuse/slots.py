"""Texts that are the same but for a few places: which places, what stands there, and what kind of thing it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

MAX_GROUPED, MAX_TEMPLATES, MAX_ALIGNED = 128, 32, 8
MAX_WORDS = 3_000
ALIKE = 0.3  # share of a text that must stand in another
SHORTEST_FIXED = 8  # fewer fixed characters between two changing places make them one
NEAR_CHARS = 60

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_DATE = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{4}}/\d{{2}}/\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}"
    rf"|{_MONTH} \d{{1,2}},? \d{{4}}|\d{{1,2}}\.? {_MONTH},? \d{{4}})"
)
# In the order they are looked for; each is bounded, so that no text makes it slow.
KINDS: dict[str, re.Pattern[str]] = {
    "timestamp": re.compile(rf"\b{_DATE}(?:[T ,]|, | at ){_CLOCK}|\b1[5-9]\d{{8}}(?:\d{{3}})?\b"),
    "uuid": re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    "date": re.compile(rf"\b{_DATE}\b"),
    "time of day": re.compile(rf"\b{_CLOCK}"),
    "e-mail address": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"),
    "identifier": re.compile(
        r"\b(?=[0-9a-zA-Z_-]{0,40}\d)[0-9a-zA-Z]{2,20}[_-][0-9a-zA-Z_-]{6,64}\b|\b[0-9a-f]{16,64}\b"
    ),
    "number": re.compile(r"\b\d+(?:\.\d+)?\b"),
}
PERSONAL = frozenset({"e-mail address", "user name", "user id", "name", "session id", "text that varies"})
_ANY = re.compile("|".join(f"(?P<k{at}>{kind.pattern})" for at, kind in enumerate(list(KINDS.values())[:-1])))
# A word takes the space after it along: spaces alone would match everywhere, which is slow and says nothing.
_WORD = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_NAME = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+){0,3}")
_NAMED = re.compile(
    r"(?:user|customer|client|name|member|person|patient|employee|assist|helping|with)\W{0,3}(?:is)?\W{0,3}$", re.I
)

Triples = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Slot:
    """A changing place. `at_char` where it begins in the first text; `before` and `after` are the same in all."""

    kind: str
    at_char: int
    before: str
    after: str
    n_values: int
    example: str

    @property
    def is_personal(self) -> bool:
        """Whether what stands there may be about a person; then no example is to be shown."""
        return self.kind in PERSONAL


@dataclass(frozen=True, slots=True)
class Template:
    """Texts that agree in `fixed`, in this order; `values` by text are what stands before, between and after them."""

    fixed: tuple[str, ...]
    values: dict[str, tuple[str, ...]]

    def without(self, text: str) -> tuple[str, str]:
        """The text with its changing places taken out, and what stood there."""
        return "".join(self.fixed), " ".join(value.strip() for value in self.values[text] if value.strip())

    def slots(self, known: dict[str, str]) -> list[Slot]:
        """Its changing places, the first first; `known` names values by what they are known to be (a user's id)."""
        first = next(iter(self.values))
        found, at = [], 0
        for number, value in enumerate(self.values[first]):
            seen = {each[number] for each in self.values.values()}
            before = self.fixed[number - 1] if number else ""
            after = self.fixed[number] if number < len(self.fixed) else ""
            if len(seen) > 1:
                kind = kind_of(seen, before, known)
                found.append(Slot(kind, at, before[-NEAR_CHARS:], after[:NEAR_CHARS], len(seen), value.strip()))
            at += len(value) + len(after)
        return found


def templates(texts: Iterable[str]) -> list[Template]:
    """Groups of at least two different texts that differ in a few places.

    The places are found in MAX_GROUPED of the texts, evenly spread; every text that fits them is then counted.
    """
    different = list(dict.fromkeys(texts))
    groups: list[tuple[Triples, list[str]]] = []
    for text in _spread(different, MAX_GROUPED):
        triples = _triples(text)
        home = next((group for shared, group in groups if _alike(triples, shared)), None)
        if home is not None:
            home.append(text)
        elif len(groups) < MAX_TEMPLATES:
            groups.append((triples, [text]))
    made = (_template(group, different) for _, group in groups if len(group) > 1)
    return [template for template in made if template is not None]


def _triples(text: str) -> Triples:
    """Three words in a row, and all such: a changed word spoils only those it is in."""
    words = [word.strip() for word in _WORD.findall(_ANY.sub(" ", text))][:MAX_WORDS]
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _alike(triples: Triples, other: Triples) -> bool:
    return len(triples & other) >= ALIKE * max(len(triples), len(other), 1)


def _template(group: Sequence[str], texts: Sequence[str]) -> Template | None:
    """What all of a group agree in, with every text in which that stands in the same order."""
    fixed = _fixed(group[0], _spread(group[1:], MAX_ALIGNED))
    if sum(map(len, fixed)) < ALIKE * len(group[0]):
        return None
    values = {text: found for text in texts if (found := _values(text, fixed)) is not None}
    return _joined(fixed, values) if len(values) > 1 else None


def _spread(texts: Sequence[str], n: int) -> Sequence[str]:
    return [texts[at * len(texts) // n] for at in range(n)] if len(texts) > n else texts


def _fixed(first: str, others: Sequence[str]) -> tuple[str, ...]:
    """Runs of words of the first text that all others have too, long enough to stand alone."""
    words = list(_words(first))
    kept = [kind is None for kind, _ in words]
    for other in others:
        shared = _shared(_keys(words), _keys(_words(other)))
        kept = [is_kept and is_shared for is_kept, is_shared in zip(kept, shared, strict=True)]
    return tuple(_runs(words, kept))


def _shared(words: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Which words stand in the other text too, in this order. What both begin and end with is not searched for."""
    shorter = min(len(words), len(others))
    head = next((at for at in range(shorter) if words[at] != others[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if words[-1 - at] != others[-1 - at]), rest)
    middle = words[head : len(words) - tail]
    # In long texts a match begins only at words that are not everywhere, which keeps the search quick.
    matcher = SequenceMatcher(None, middle, others[head : len(others) - tail], autojunk=True)
    found = {at for block in matcher.get_matching_blocks() for at in range(block.a, block.a + block.size)}
    return [True] * head + [at in found for at in range(len(middle))] + [True] * tail


def _words(text: str) -> Iterator[tuple[str | None, str]]:
    """(kind, text) a word; kind None for plain words, else that of a thing which changes by nature."""
    at = n = 0
    for found in _ANY.finditer(text):
        for word in _WORD.findall(text[at : found.start()]):
            yield None, word
            n += 1
        yield found.lastgroup, found[0]
        at = found.end()
        if n > MAX_WORDS:
            break
    rest = text[at:]
    for word in _WORD.findall(rest) if n <= MAX_WORDS else [rest]:
        yield None, word


def _keys(words: Iterable[tuple[str | None, str]]) -> list[str]:
    return [f"\0{kind}" if kind else word for kind, word in words]


def _runs(words: Sequence[tuple[str | None, str]], kept: Sequence[bool]) -> Iterator[str]:
    """Runs of kept words; short ones count only at the very beginning, where they cannot be mistaken."""
    begins = 0
    for is_kept, group in groupby(range(len(words)), key=lambda at: kept[at]):
        run = "".join(words[at][1] for at in group)
        if is_kept and (len(run) >= SHORTEST_FIXED or begins == 0):
            yield run
        begins += len(run)


def _values(text: str, fixed: Sequence[str]) -> tuple[str, ...] | None:
    """What stands before, between and after the fixed runs; None when they are not there in this order."""
    found, at = [], 0
    for run in fixed:
        begins = text.find(run, at)
        if begins < 0:
            return None
        found.append(text[at:begins])
        at = begins + len(run)
    return (*found, text[at:])


def _joined(fixed: Sequence[str], values: dict[str, tuple[str, ...]]) -> Template:
    """Places where all have the same are no places: their text joins the runs around them."""
    changing = [len(set(column)) > 1 for column in zip(*values.values(), strict=True)]
    same = [
        "" if is_changing else text for is_changing, text in zip(changing, next(iter(values.values())), strict=True)
    ]
    runs, run, kept, last = [], same[0], [0], len(fixed)
    for at, piece in enumerate(fixed, 1):
        run += piece + same[at]
        if changing[at] or at == last:
            runs.append(run)
            kept.append(at)
            run = ""
    left = {text: tuple(each[at] if changing[at] else "" for at in kept) for text, each in values.items()}
    return Template(tuple(runs), left)


def kind_of(seen: Iterable[str], before: str, known: dict[str, str]) -> str:
    """What the things in a place are, by most of them."""
    values = [value.strip() for value in seen if value.strip()]
    titles = [known.get(value, "") for value in values]
    for title in dict.fromkeys(filter(None, titles)):
        if _most([each == title for each in titles]):
            return title
    for is_it in (_fills, _holds):
        for title, pattern in KINDS.items():
            if _most([is_it(value, pattern) for value in values]):
                return title
    if _most([value[:1].isupper() and _NAME.fullmatch(value) is not None for value in values]):
        return "user name" if _NAMED.search(before) else "name"
    return "text that varies"


def _most(told: Sequence[bool]) -> bool:
    return sum(told) >= 0.8 * len(told) > 0


def _fills(value: str, pattern: re.Pattern[str]) -> bool:
    """Whether a thing of that kind is most of the value."""
    return sum(len(found[0]) for found in pattern.finditer(value[:200])) >= 0.6 * len(value)


def _holds(value: str, pattern: re.Pattern[str]) -> bool:
    """Whether a short value has such a thing in it; a number in a text says nothing of what the text is."""
    return len(value) <= 80 and pattern is not KINDS["number"] and pattern.search(value) is not None
