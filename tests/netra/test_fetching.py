"""The door to vendors' logs: what is tried again, how long it waits, what it refuses, and what it never says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django import Settings

from netra import fetching
from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from netra.refused_fetches import Words
from tests.routing.scripted import CANARY, Provider, Step, error, served

HEADERS = {"Authorization": f"Bearer {CANARY}"}
WORDS = Words("Vendor", [CANARY, *HEADERS.values()])


def fine(value: Any = None) -> Step:
    return Step(body=json.dumps({"ok": True} if value is None else value).encode())


@contextmanager
def fetching_from(*script: Step, **options: Any) -> Iterator[tuple[Fetcher, Provider, list[float]]]:
    """A fetcher whose waits are noted and not waited."""
    waits: list[float] = []
    with served(*script) as there, Fetcher(WORDS, HEADERS, pause=waits.append, **options) as fetch:
        yield fetch, there, waits


def failure(*script: Step, **options: Any) -> SourceFailed:
    with fetching_from(*script, **options) as (fetch, there, _), pytest.raises(SourceFailed) as told:
        fetch.get(there.base_url)
    return told.value


# Trying again.


def test_a_good_answer_comes_at_once_and_with_the_credentials() -> None:
    with fetching_from(fine()) as (fetch, there, waits):
        assert fetch.get(there.base_url, {"page": "2"}) == {"ok": True}
    assert (there.paths, there.headers[0]["authorization"], waits) == (["/v1?page=2"], HEADERS["Authorization"], [])


def test_a_rate_limit_is_waited_out_as_long_as_the_vendor_asks() -> None:
    with fetching_from(Step(429, headers={"Retry-After": "7"}), fine()) as (fetch, there, waits):
        fetch.get(there.base_url)
    assert waits == [7.0]


@pytest.mark.parametrize(
    "step", [error(500), error(503), Step(hang_up=True), Step(body=b'{"cut":', cut=3), Step(body=b"<html>")]
)
def test_troubles_that_pass_are_tried_again(step: Step) -> None:
    with fetching_from(step, step, fine()) as (fetch, there, waits):
        assert fetch.get(there.base_url) == {"ok": True}
    assert waits and 0 < waits[0] <= 1.0 and waits[-1] <= 2.0


def test_after_some_tries_it_is_told_in_the_vendors_words() -> None:
    problem = failure(error(503, "the shards are rebalancing"))
    assert str(problem) == "Vendor answered HTTP 503: the shards are rebalancing" and problem.retry


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_asking_again_cannot_mend_is_told_at_once(status: int) -> None:
    with fetching_from(error(status, "no")) as (fetch, there, waits), pytest.raises(SourceFailed) as told:
        fetch.get(there.base_url)
    assert (told.value.http_status, told.value.retry, waits, len(there.paths)) == (status, False, [], 1)


def test_more_patience_than_is_sensible_is_left_for_later() -> None:
    problem = failure(Step(429, headers={"Retry-After": "3600"}))
    assert (problem.retry, problem.retry_after_s) == (True, 3600.0)


@pytest.mark.parametrize("status", [408, 413, 504, 524])
def test_too_much_at_once_is_told_apart(status: int) -> None:
    assert failure(error(status)).is_too_wide


def test_silence_ends() -> None:
    problem = failure(Step(silence_s=5), timeout_s=0.1)
    assert problem.is_too_wide and "did not answer within 0.1 s" in str(problem)


def test_a_pause_may_end_it_all() -> None:
    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    with served(error(500)) as there, Fetcher(WORDS, {}, pause=stop) as fetch, pytest.raises(KeyboardInterrupt):
        fetch.get(there.base_url)


# Several.


def test_several_come_in_their_order() -> None:
    with served(fine()) as there, Fetcher(WORDS, {}) as fetch:
        assert fetch.each([Ask(f"{there.base_url}/{number}") for number in range(40)]) == [{"ok": True}] * 40
    assert there.n_inside_most <= fetching.AT_ONCE


def test_a_rate_limit_in_between_loses_none_and_holds_the_others_back() -> None:
    limit = Step(429, headers={"Retry-After": "1"})
    with fetching_from(fine(), limit, fine(), limit, fine()) as (fetch, there, waits):
        found = fetch.each([Ask(there.base_url) for _ in range(12)])
    assert found == [{"ok": True}] * 12 and waits and set(waits) == {1.0}


def test_one_that_is_gone_does_not_hold_up_the_others() -> None:
    with fetching_from(fine(), error(404), fine()) as (fetch, there, _):
        found = fetch.each([Ask(there.base_url) for _ in range(3)])
    assert [isinstance(each, SourceFailed) for each in found].count(True) == 1


# What is refused.


def test_an_answer_beyond_measure_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_ANSWER_BYTES", 1_000)
    assert failure(Step(body=b" " * 2_000)).is_too_wide


def test_bodies_of_one_page_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_TOGETHER_BYTES", 100)
    with fetching_from(fine("x" * 20)) as (fetch, there, _), pytest.raises(SourceFailed) as told:
        fetch.each([Ask(there.base_url)] * 40)
    assert told.value.is_too_wide and len(there.paths) == fetching.ROUND


def test_a_packed_answer_is_measured_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_ANSWER_BYTES", 100_000)
    bomb = Step(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"})
    assert "more than 64 MB" in str(failure(bomb))


def test_redirects_are_not_followed() -> None:
    with served(fine()) as elsewhere:
        problem = failure(Step(302, headers={"Location": elsewhere.base_url}))
    assert "not followed" in str(problem) and elsewhere.paths == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_private_addresses_can_be_closed_off(settings: Settings, host: str) -> None:
    settings.PRIVATE_PROVIDERS = False
    with served(fine()) as there, Fetcher(WORDS, HEADERS) as fetch, pytest.raises(SourceFailed, match="private"):
        fetch.get(there.base_url.replace("127.0.0.1", host))
    assert there.paths == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]"])
def test_link_local_addresses_are_never_called(host: str) -> None:
    with Fetcher(WORDS, HEADERS) as fetch, pytest.raises(SourceFailed, match="private"):
        fetch.get(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/1", "nonsense", "http://"])
def test_only_http_is_spoken(url: str) -> None:
    with Fetcher(WORDS, {}) as fetch, pytest.raises(SourceFailed, match="address"):
        fetch.get(url)


# What is never said.


@pytest.mark.parametrize(
    "words",
    [f"Incorrect key {CANARY}", "Incorrect key sk-proj-abcd****wxyz", f"header Bearer {CANARY}", "got Basic cGs6c2s="],
)
def test_a_key_that_is_repeated_is_taken_out(words: str) -> None:
    sentence = str(failure(error(401, words)))
    assert CANARY not in sentence and "wxyz" not in sentence and "cGs6c2s" not in sentence
    assert "[secret]" in sentence and sentence.startswith("Vendor answered HTTP 401: ")


def test_neither_errors_nor_what_is_printed_hold_keys() -> None:
    ask = Ask(f"http://x/file?sig={CANARY}", is_signed=True)
    assert CANARY not in repr(ask) + repr(WORDS)


def test_signed_links_are_sent_no_credentials_and_keep_their_spelling() -> None:
    with fetching_from(fine()) as (fetch, there, _):
        fetch.each([Ask(f"{there.base_url}/a%2Fb?sig=x%2By", is_signed=True)])
    assert there.paths == ["/v1/a%2Fb?sig=x%2By"] and "authorization" not in there.headers[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "quota"}}', ": quota"),
        (b'{"detail": [{"msg": "field required"}]}', ": field required"),
        (b'{"message": "a\\n\\n  b"}', ": a b"),
        (b"plain words", ": plain words"),
        (b"<html>no</html>", "."),
        (b'{"error": 7}', "."),
        (b"", "."),
        (json.dumps({"error": "x" * 900}).encode(), ": " + "x" * 300),
    ],
)
def test_words_are_found_where_vendors_put_them(body: bytes, said: str) -> None:
    assert str(WORDS.refused(400, body, {})) == f"Vendor answered HTTP 400{said}"


# Files.


def test_lines_come_whole_however_they_are_cut() -> None:
    text = b"".join(b'{"n": %d}\n' % number for number in range(50_000)) + b"\n \n" + b'{"n": -1}'
    with fetching_from(Step(body=text)) as (fetch, there, _):
        found = list(fetch.lines(Ask(there.base_url)))
    assert len(found) == 50_001 and json.loads(found[-1]) == {"n": -1} and fetch.n_bytes == len(text)


def test_a_file_that_is_cut_is_told_after_its_whole_lines() -> None:
    with fetching_from(Step(body=b"1\n2\n3333", cut=6)) as (fetch, there, _):
        lines = fetch.lines(Ask(there.base_url))
        assert [next(lines), next(lines)] == [b"1", b"2"]
        with pytest.raises(SourceFailed, match="broke the connection off"):
            next(lines)


def test_a_line_beyond_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LONGEST_LINE", 100)
    with fetching_from(Step(body=b"x" * 1_000)) as (fetch, there, _), pytest.raises(SourceFailed, match="64 MB"):
        list(fetch.lines(Ask(there.base_url)))


def test_a_refused_file_is_told_in_the_vendors_words() -> None:
    with fetching_from(error(410, "expired")) as (fetch, there, _), pytest.raises(SourceFailed, match="expired"):
        list(fetch.lines(Ask(there.base_url)))
