"""Prompt templates of a group: what all its prompts say in the same words, and what stands in the places between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from projects.cache_reuse import slots
from projects.clusters.texts import PLACE

MOST = 3
FEWEST = 5  # texts; what fewer share may be one person's words
LONGEST_FIXED = 240


@dataclass(frozen=True, slots=True)
class Shape:
    """`pieces` are (text, is a place), in order; a place is named by the kind of thing that stands there.

    `n_texts` of the group's calls fit it.
    """

    pieces: tuple[tuple[str, bool], ...]
    n_texts: int

    @property
    def n_places(self) -> int:
        return sum(is_place for _, is_place in self.pieces)


def shapes(texts: Sequence[str]) -> list[Shape]:
    """The templates that most texts fit, the most first."""
    counted = Counter(texts)
    found = [_shape(template, counted) for template in slots.templates(counted)]
    repeated = [Shape(tuple(_pieces(text)), n) for text, n in counted.most_common(MOST) if n >= FEWEST]
    kept = sorted((each for each in [*found, *repeated] if each.n_texts >= FEWEST), key=lambda each: -each.n_texts)
    return kept[:MOST]


def _shape(template: slots.Template, counted: Counter[str]) -> Shape:
    kinds = iter([slot.kind for slot in template.slots({})])
    values = list(template.values.values())
    changes = [len({each[at] for each in values}) > 1 for at in range(len(values[0]))]
    pieces: list[tuple[str, bool]] = []
    for at, is_place in enumerate(changes):
        if is_place:
            pieces.append((next(kinds), True))
        if at < len(template.fixed):
            pieces += _pieces(template.fixed[at])
    return Shape(tuple(pieces), sum(counted[text] for text in template.values))


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text without values, with its places apart."""
    for at, piece in enumerate(PLACE.split(text)):
        if piece:
            yield (piece, True) if at % 2 else (_cut(piece), False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_FIXED else f"{text[:LONGEST_FIXED]}…"
