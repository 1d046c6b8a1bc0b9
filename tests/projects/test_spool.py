"""The spool: bounded, shared by processes, and never full for longer than it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from netra.errors import Busy
from projects import spool
from projects.ingest.verdicts import Rejected, Skipped
from projects.spool import Frame, Spool


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    monkeypatch.setattr(spool, "RECOUNT_S", 0.0)
    made = Spool(tmp_path / "spool", max_bytes=1_000)
    yield made
    made.close()


def frame(text: bytes = b'{"event_id":"a"}', n_events: int = 1) -> Frame:
    return Frame(1, "otel", text, n_events)


def fill(small: Spool) -> None:
    with suppress(Busy):
        while True:
            small.append(frame(b"x" * 100))


def emptied(small: Spool) -> list[Frame]:
    found: list[Frame] = []
    for segment in small.segments():
        found += segment.frames()
        segment.remove()
    return found


def test_a_frame_comes_back_as_it_was(small: Spool) -> None:
    reasons = [Rejected("missing_timestamp"), Skipped("not_a_call")]
    small.append(Frame(7, "otel", b'{"a":1}\n{"b":2}', 2, reasons))
    (back,) = emptied(small)
    assert (back.project_id, back.source, back.body, back.n_events) == (7, "otel", b'{"a":1}\n{"b":2}', 2)
    assert [(type(each), each.code, str(each)) for each in back.left_out] == [
        (type(each), each.code, str(each)) for each in reasons
    ]


def test_it_is_never_larger_than_it_may_be(small: Spool) -> None:
    fill(small)
    assert sum(path.stat().st_size for path in small.folder.iterdir()) <= 1_000


def test_full_it_wakes_whoever_empties_it(small: Spool) -> None:
    fill(small)
    small.has_more.clear()
    with pytest.raises(Busy):
        small.append(frame(b"x" * 900))
    assert small.has_more.is_set()


def test_emptied_it_takes_again(small: Spool) -> None:
    fill(small)
    emptied(small)
    small.append(frame())
    assert len(emptied(small)) == 1


def test_one_that_filled_up_while_it_was_emptied_takes_again(small: Spool) -> None:
    """Whoever comes while the last segment is being written to the store counts it once more."""
    fill(small)
    for segment in small.segments():
        with pytest.raises(Busy):
            small.append(frame(b"x" * 900))
        segment.remove()
    small.append(frame(b"x" * 100))


def test_emptied_by_another_process_it_takes_again(small: Spool) -> None:
    fill(small)
    small.close()
    for path in small.folder.iterdir():
        path.unlink()
    small.append(frame())
    assert len(emptied(small)) == 1


def test_what_was_cut_off_is_left_and_the_rest_is_read(small: Spool) -> None:
    small.append(frame())
    small.append(frame(b"y" * 50))
    small.close()
    (path,) = small.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    assert [each.body for each in emptied(small)] == [b'{"event_id":"a"}']


@pytest.mark.parametrize("at", [2, 60, 200], ids=["in its header", "later in its header", "in its body"])
def test_past_a_damaged_frame_the_next_ones_are_found(small: Spool, at: int) -> None:
    for number in range(3):
        small.append(frame(b'{"n":%d,"text":"%s"}\n{"and":"more"}' % (number, b"x" * 100), 2))
    small.close()
    (path,) = small.folder.iterdir()
    whole = path.read_bytes()
    start = whole.index(b'{"project_id"', 1) + at
    path.write_bytes(whole[:start] + b"\0" + whole[start + 1 :])
    assert [each.body[:6] for each in emptied(small)] == [b'{"n":0', b'{"n":2']


def test_the_segment_of_a_living_writer_is_left_alone(small: Spool) -> None:
    other = Spool(small.folder, max_bytes=1_000)
    small.append(frame())
    assert emptied(other) == []
    small.close()
    assert len(emptied(other)) == 1
