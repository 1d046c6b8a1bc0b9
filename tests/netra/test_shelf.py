"""A shelf keeps bytes for a while and up to a number, in this process or in Redis, and never stands in the way."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from netra import shelf as shelves
from netra.shelf import OwnShelf, SharedShelf, Shelf


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of its own on a free port."""
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--loglevel", "warning"])
    for _ in range(600):
        with socket.socket() as each:
            if each.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(20)


@pytest.fixture(params=["own", "shared"])
def shelf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(shelves, "PATIENCE_S", 30.0)
    return OwnShelf() if request.param == "own" else SharedShelf(request.getfixturevalue("redis_url"))


async def test_what_was_put_is_there(shelf: Shelf) -> None:
    await shelf.put("a", "one", b"1", ttl_s=60, most=5)
    assert await shelf.get("a", "one") == b"1"
    assert await shelf.get("b", "one") is None and await shelf.get("a", "two") is None


async def test_a_newer_one_replaces_it(shelf: Shelf) -> None:
    await shelf.put("c", "one", b"1", ttl_s=60, most=5)
    await shelf.put("c", "one", b"2", ttl_s=60, most=5)
    assert await shelf.get("c", "one") == b"2"


async def test_the_oldest_make_room(shelf: Shelf) -> None:
    for name in "vwxyz":
        await shelf.put("d", name, name.encode(), ttl_s=60, most=2)
    assert [await shelf.get("d", name) for name in "vwxyz"] == [None, None, None, b"y", b"z"]


async def test_time_ends_it(shelf: Shelf) -> None:
    await shelf.put("e", "one", b"1", ttl_s=1, most=5)
    await asyncio.sleep(1.2)
    assert await shelf.get("e", "one") is None


async def test_a_process_keeps_only_so_many_bytes() -> None:
    small = OwnShelf(most_bytes=10)
    await small.put("a", "one", b"12345", ttl_s=60, most=5)
    await small.put("b", "one", b"12345", ttl_s=60, most=5)
    await small.put("b", "two", b"12345", ttl_s=60, most=5)
    assert [await small.get(*where) for where in (("a", "one"), ("b", "one"), ("b", "two"))] == [
        None,
        b"12345",
        b"12345",
    ]
    await small.put("c", "big", b"x" * 11, ttl_s=60, most=5)
    assert await small.get("c", "big") is None and small._size == 0


async def test_two_processes_share_it(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "PATIENCE_S", 30.0)
    await SharedShelf(redis_url).put("f", "one", b"1", ttl_s=60, most=5)
    assert await SharedShelf(redis_url).get("f", "one") == b"1"


async def test_a_store_that_is_away_is_a_miss_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = SharedShelf(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        await away.put("a", "one", b"1", ttl_s=60, most=5)
        assert await away.get("a", "one") is None
    assert len([line for line in caplog.messages if "keeps no answers" in line]) == 1


async def test_a_store_that_hangs_is_a_miss() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await SharedShelf(f"redis://127.0.0.1:{port}/0").get("a", "one") is None
    server.close()


def test_the_settings_say_where(settings: object) -> None:
    settings.REDIS_URL = ""
    assert isinstance(shelves.shelf(), OwnShelf)
    settings.REDIS_URL = "redis://localhost/0"
    assert isinstance(shelves.shelf(), SharedShelf)
