"""Names of groups from the words that set them apart: class-based TF-IDF (Grootendorst 2022, §3.3)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

# A word that few of a group's prompts have is theirs and not the group's: names of people, for one.
IN_AT_LEAST = 0.3
N_TERMS, IN_NAME = 6, 3
LONGEST_NAME = 60
_WORD = re.compile(r"[^\W\d_][^\W\d_'’-]{2,29}")
_STOP = """
a about after all also an and any are as at be been before being but by can could do does exactly for from give
had has have here how id if in into is it its just like mail make may me more must my no not nothing number of
on one only or other our out over please should so some such than that the their them then there these they this
those to under up us use was we were what when where which while who will with without would you your ref
"""
STOP = frozenset(_STOP.split())


def words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in STOP]


def terms(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """The most telling words of each group of texts, best first; of equally telling ones that which is said first.

    Weight: share of the group's texts that have the word × log(1 + texts a group / share summed over all groups).
    """
    shares = [_shares(texts) for texts in groups]
    everywhere: Counter[str] = Counter()
    for share in shares:
        everywhere.update(share)
    return [_best(share, everywhere, _places(texts)) for share, texts in zip(shares, groups, strict=True)]


def _shares(texts: Sequence[str]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(words(text)))
    return {word: n / len(texts) for word, n in found.items()}


def _places(texts: Sequence[str]) -> dict[str, int]:
    """Where each word stands in the first text that has it."""
    found: dict[str, int] = {}
    for text in texts:
        for at, word in enumerate(words(text)):
            found.setdefault(word, at)
    return found


def _best(share: dict[str, float], everywhere: Counter[str], places: dict[str, int]) -> list[str]:
    weighed = {word: part * math.log(1 + 1 / everywhere[word]) for word, part in share.items() if part >= IN_AT_LEAST}
    return sorted(weighed, key=lambda word: (-round(weighed[word], 6), places[word], word))[:N_TERMS]


def names(found: Sequence[Sequence[str]], taken: Iterable[str] = ()) -> list[str]:
    """A different name for each list of terms, none of those taken."""
    used = set(taken)
    made = []
    for each in found:
        plain = " · ".join(each[:IN_NAME])[:LONGEST_NAME] or "unnamed"
        name, n = plain, 2
        while name in used:
            name, n = f"{plain} ({n})", n + 1
        used.add(name)
        made.append(name)
    return made
