"""What is seen of a prompt without a model: its size, figures, code, questions, choices. Pure, 0.2 ms a prompt."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from routing import choices

Vector = npt.NDArray[np.float64]

# Past this, a prompt is long whatever follows; and no prompt may cost more than it is worth.
LOOKED_AT = 8_000
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_RELATION = re.compile(
    r"\b(?:if|then|than|but|not|except|no|never|each|every|half|twice|times|more|less|per|percent|total|left|"
    r"remaining|first|second|third|rest|same|both|another)\b"
)
_FRACTION = re.compile(r"\d/\d")
_DECIMAL = re.compile(r"\d\.\d")
_OPERATORS = "+-*/=^<>\\"
_QUESTIONS = ("how many", "how much", "what", "which", "who", "when", "where", "why", "how")
_NEEDS = ("tools", "vision", "json_schema")

NAMES = (
    *("characters", "words", "numbers", "digits", "sentences", "words_a_sentence", "word_length", "different_words"),
    *("lines", "operators", "dollars", "percents", "decimals", "fractions", "commas", "brackets", "capitals"),
    *("other_scripts", "longest_number", "different_numbers", "code", "backslashes", "underscores", "relations"),
    *(f"asks_{words.replace(' ', '_')}" for words in _QUESTIONS),
    *(f"needs_{name}" for name in _NEEDS),
    *choices.NAMES,
)


def surface(text: str, needs: Collection[str] = ()) -> Vector:
    """The features in the order of NAMES; counts as log(1 + n), shares in [0, 1]. Any text will do, also none."""
    text = text[:LOOKED_AT]
    lower, words, numbers = text.lower(), text.split(), _NUMBER.findall(text)
    size, n_sentences = max(len(text), 1), len(_SENTENCE.findall(text))
    counts = np.log1p([len(text), len(words), len(numbers)])
    shape = [
        sum(map(str.isdigit, text)) / size,
        np.log1p(n_sentences),
        min(len(words) / max(n_sentences, 1) / 30, 10.0),
        min(len(text) / max(len(words), 1) / 8, 10.0),
        len(set(lower.split())) / max(len(words), 1),
    ]
    said = [float(question in lower) for question in _QUESTIONS]
    wanted = [float(name in needs) for name in _NEEDS]
    told = [*counts, *shape, *_marks(text, size), *_figures(text, lower, numbers), *said, *wanted]
    return np.array([*told, *choices.seen(text)])


def _marks(text: str, size: int) -> list[float]:
    signs = [text.count("\n"), sum(text.count(each) for each in _OPERATORS), text.count("$"), text.count("%")]
    parts = [len(_DECIMAL.findall(text)), len(_FRACTION.findall(text)), text.count(","), text.count("(")]
    capitals = sum(map(str.isupper, text)) / size
    others = sum(char > "\x7f" for char in text) / size
    return [*(float(np.log1p(count)) for count in (*signs, *parts)), capitals, others]


def _figures(text: str, lower: str, numbers: list[str]) -> list[float]:
    longest = float(np.log1p(max((len(number) for number in numbers), default=0)))
    signs = [float("```" in text or "def " in text), float("\\" in text), float("_" in text)]
    return [longest, float(np.log1p(len(set(numbers)))), *signs, float(np.log1p(len(_RELATION.findall(lower))))]
