"""A text that comes in pieces, searched as if it were whole: what may still become a find is held back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Of what was let out, so much stays as left neighbour: patterns ask what stands before a find.
NEIGHBOUR_CHARS = 64

Spans = Callable[[str, int], Iterator[tuple[int, int]]]
Mark = Callable[[str], str]


def marked(text: str, spans: Spans, mark: Mark) -> str:
    """A whole text with each find replaced by what `mark` makes of it."""
    parts: list[str] = []
    at = 0
    for begin, end in spans(text, 0):
        parts += (text[at:begin], mark(text[begin:end]))
        at = end
    return "".join((*parts, text[at:])) if parts else text


class Window:
    """The same for pieces: finds of up to `longest` characters come out as of the whole text, however it is cut.

    A longer one is found too, once so much of it has come; what follows may then be found apart.
    """

    def __init__(self, spans: Spans, mark: Mark, *, longest: int) -> None:
        self._spans, self._mark = spans, mark
        self._hold = longest + 1  # what stands behind a find may decide whether it is one
        self._before = self._held = ""

    def feed(self, piece: str, *, is_last: bool = False) -> str:
        """What may be let out now."""
        whole, start = self._before + self._held + piece, len(self._before)
        cut = len(whole) if is_last else max(start, len(whole) - self._hold)
        parts: list[str] = []
        at = start
        for begin, end in self._spans(whole, start):
            if begin >= cut:
                break
            parts += (whole[at:begin], self._mark(whole[begin:end]))
            at = end
        parts.append(whole[at:cut])
        at = max(at, cut)  # a find may reach past the cut
        self._before, self._held = whole[max(0, at - NEIGHBOUR_CHARS) : at], whole[at:]
        return "".join(parts)
