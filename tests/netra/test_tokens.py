"""Token buckets: unknown is not zero."""

from __future__ import annotations

from netra.tokens import BUCKETS, Tokens


def test_nothing_reported_is_unknown() -> None:
    assert Tokens().input_total is None
    assert Tokens().output_total is None


def test_a_reported_zero_is_a_number() -> None:
    assert Tokens(input_fresh=0).input_total == 0


def test_totals_add_disjoint_buckets() -> None:
    counts = Tokens(input_fresh=10, cache_read=90, cache_write_5m=5, output_visible=7, reasoning=3, audio_out=1)
    assert (counts.input_total, counts.output_total) == (105, 11)


def test_contradictions_are_kept() -> None:
    assert Tokens(input_fresh=-4, cache_read=10).input_total == 6


def test_every_bucket_has_a_name() -> None:
    assert tuple(Tokens().as_dict()) == BUCKETS
    assert len(BUCKETS) == 8
