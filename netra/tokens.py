"""Token counts in disjoint buckets: the ground's words, because prices, providers and logs all speak them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Tokens:
    """Disjoint buckets: each token is counted in exactly one. None = not reported, 0 = reported as zero.

    A negative count (a source whose numbers contradict each other) is kept and flagged, never clamped.
    """

    input_fresh: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output_visible: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None

    @property
    def input_total(self) -> int | None:
        """Everything sent; None when nothing about the input was reported."""
        return _sum(self.input_fresh, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.audio_in)

    @property
    def output_total(self) -> int | None:
        """Everything produced, hidden reasoning included; None when nothing was reported."""
        return _sum(self.output_visible, self.reasoning, self.audio_out)

    def as_dict(self) -> dict[str, int | None]:
        return asdict(self)


BUCKETS: tuple[str, ...] = tuple(field.name for field in fields(Tokens))


def _sum(*counts: int | None) -> int | None:
    total = None
    for count in counts:
        if count is not None:
            total = count if total is None else total + count
    return total
