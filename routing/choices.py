"""What is seen of a question that offers answers to choose from, and of its words. Pure, about 0.1 ms a prompt.

How long and how alike the answers are, negations, blanks to fill and rare words tell hard questions from easy ones
where the embedding tells only what they are about.
"""

from __future__ import annotations

import re
from itertools import combinations, islice

import numpy as np

MAX_CHOICES = 10
LONG, VERY_LONG = 9, 12  # letters of a word
_CHOICE = re.compile(r"^[ \t]*\(?([A-J])[).:][ \t]*(.*)$", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z]+")
_FIGURES = re.compile(r"[-\d.,%$/^*x+() ]+")
_NEGATION = re.compile(r"\b(?:not|except|least|incorrect|false|never|none|cannot|no)\b", re.IGNORECASE)
_SIGNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:NOT|EXCEPT|LEAST)\b",
        r"__",
        r"[Ss]tatement 1",
        r"(?i:all of the above|none of the above|both|neither)",
        r"(?i:according to|the following)",
        r"[\"“]",
        r"\b(?:1[5-9]|20)\d\d\b",
        r"\b(?:he|she|his|her|my|I|man|woman|patient|plaintiff|defendant)\b",
    )
)
_FORMULA = re.compile(r"[=^_\\]|\bsqrt|\bx\b")
_ABBREVIATION = re.compile(r"[A-Z]{2,}")

NAMES = (
    *("choices", "choice_length", "choice_spread", "choice_unevenness", "choices_in_figures", "choices_alike"),
    *("choices_as_asked", "stem_characters", "stem_words", "stem_negations", "stem_asks", "stem_ends", "stem_names"),
    *("long_words", "very_long_words", "longest_words", "letters_a_word", "formulas", "abbreviations"),
    *("says_not", "has_blank", "has_statements", "offers_all", "refers", "quotes", "has_year", "is_of_person"),
)


def seen(text: str) -> list[float]:
    """The features in the order of NAMES. `text` is cut to what is looked at by the caller."""
    found = list(islice(_CHOICE.finditer(text), MAX_CHOICES))
    stem, choices = text[: found[0].start()] if found else text, [each.group(2).strip() for each in found]
    words = _WORD.findall(text)
    return [
        *_choices(choices, stem),
        *_stem(stem),
        *_words(text, words),
        *(float(bool(s.search(text))) for s in _SIGNS),
    ]


def _choices(choices: list[str], stem: str) -> list[float]:
    if not choices:
        return [0.0] * 7
    lengths = np.array([len(each) for each in choices])
    said, asked = [set(each.lower().split()) for each in choices], set(stem.lower().split())
    alike = [len(one & other) / max(len(one | other), 1) for one, other in combinations(said, 2)]
    as_asked = [len(each & asked) / max(len(each), 1) for each in said]
    in_figures = sum(_FIGURES.fullmatch(each) is not None for each in choices) / len(choices)
    uneven = lengths.std() / max(lengths.mean(), 1)
    shape = [np.log1p(len(choices)), np.log1p(lengths.mean()), np.log1p(lengths.std()), uneven, in_figures]
    return [*map(float, shape), sum(alike) / max(len(alike), 1), sum(as_asked) / len(as_asked)]


def _stem(stem: str) -> list[float]:
    words = _WORD.findall(stem)
    names = sum(word[0].isupper() for word in words[1:]) / max(len(words), 1)
    sizes = np.log1p([len(stem), len(words), len(_NEGATION.findall(stem))])
    return [*map(float, sizes), float("?" in stem), float(stem.rstrip().endswith((":", "?"))), names]


def _words(text: str, words: list[str]) -> list[float]:
    lengths = np.sort([len(word) for word in words]) if words else np.zeros(1)
    shares = [(lengths >= LONG).mean(), (lengths >= VERY_LONG).mean()]
    sizes = [min(lengths[-3:].mean() / 10, 10.0), min(lengths.mean() / 8, 10.0)]
    marks = [np.log1p(len(_FORMULA.findall(text))), len(_ABBREVIATION.findall(text)) / max(len(words), 1)]
    return [float(each) for each in (*shares, *sizes, *marks)]
