"""Whatever an address asks of the log, the answer is a list, a sentence or "not found", never an error of ours."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client

from projects import log
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

TIMES = [
    *("2026-11-02", "2026-11-02T12:00:00", "2026-11-02T12:00:00+13:45", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z", "2400-01-01", "99999999999999999999", "-1", "yesterday"),
]
TEXTS = [
    "",
    " ",
    "\0",
    "%",
    "'",
    "';DROP TABLE workload_events--",
    "\\",
    "{limit}",
    "\ufffd",
    "\u202e",
    "x" * 5_000,
    "ü",
]
NUMBERS = ["-1", "0", "1", "1.5", "2147483648", "4294967296", "9223372036854775808", "1" * 40, "nan", "", "٣"]
FLAGS = ["true", "0", "maybe", ""]
AFTERS = [
    *("2026-11-02T12:00:00|abc", "2026-11-02T12:00:00", "|", "||", "0001-01-01|x", "9999-12-31T23:59:59+00:00|x"),
    *("0001-01-01T00:00:00+23:59|x", "2026-11-02T12:00:00|\0", "2026-11-02T12:00:00|" + "x" * 5_000, "tomorrow|x"),
]
API = "/api/v1/logs/agent"
PAGE = "/projects/agent"


@pytest.fixture
def asking(as_viewer: Client, project: Project) -> Client:
    log.write(project.pk, [factories.event(session_id="s", trace_id="t" * 32, span_id="a" * 16)])
    as_viewer.raise_request_exception = False
    return as_viewer


def failures(asking: Client, path: str, name: str, values: list[str]) -> dict[str, int]:
    """The values that were answered with an error of ours, and its status."""
    told = {value[:60]: asking.get(path, {name: value}).status_code for value in values}
    return {value: status for value, status in told.items() if status >= 500}


@pytest.mark.parametrize("path", ["", "/ledger", "/export", "/stats", "/sessions"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_times_of_a_window(asking: Client, path: str, name: str) -> None:
    assert failures(asking, API + path, name, TIMES) == {}


@pytest.mark.parametrize("name", ["model", "outcome", "source", "blocked", "tag", "session_id", "user_id", "record_id"])
def test_texts_to_look_for(asking: Client, name: str) -> None:
    assert failures(asking, API, name, TEXTS) == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((API, name) for name in ("limit", "import_id")),
        *((f"{API}/ledger", name) for name in ("limit", "offset", "import_id")),
        *((f"{API}/sessions", name) for name in ("limit",)),
        *((f"{API}/sessions/s", name) for name in ("offset",)),
        *((f"{API}/traces/{'t' * 32}", name) for name in ("offset",)),
        (f"{PAGE}/ledger/lines", "from"),
        (f"{PAGE}/logs/", "import_id"),
        (f"{PAGE}/traces/{'t' * 32}/", "offset"),
        (f"{PAGE}/sessions/s/", "offset"),
    ],
)
def test_numbers_beyond_their_bounds(asking: Client, path: str, name: str) -> None:
    assert failures(asking, path, name, NUMBERS) == {}


@pytest.mark.parametrize(
    "path", [API, f"{API}/sessions/s", f"{API}/traces/{'t' * 32}", f"{PAGE}/logs/", f"{PAGE}/sessions/s/"]
)
def test_places_in_a_list(asking: Client, path: str) -> None:
    assert failures(asking, path, "after", AFTERS) == {}


@pytest.mark.parametrize("path", [f"{API}/sessions", f"{PAGE}/sessions/"])
def test_sessions_before_any_time(asking: Client, path: str) -> None:
    assert failures(asking, path, "before", TIMES) == {}


@pytest.mark.parametrize("name", ["error", "demand", "replayable", "counted", "priced", "recorded", "refusal"])
def test_yes_or_no(asking: Client, name: str) -> None:
    assert failures(asking, API, name, FLAGS) == {}


def test_versions_of_an_event(asking: Client, project: Project) -> None:
    event_id = asking.get(API).json()["events"][0]["event_id"]
    assert failures(asking, f"{API}/events/{event_id}", "version", NUMBERS) == {}
    assert failures(asking, f"{PAGE}/logs/{event_id}/", "version", NUMBERS) == {}


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/events/{{}}",
        f"{API}/sessions/{{}}",
        f"{API}/traces/{{}}",
        f"{API}/sources/{{}}",
        f"{API}/imports/{{}}",
        f"{API}/syncs/{{}}",
        f"{PAGE}/logs/{{}}/",
        f"{PAGE}/logs/x/records/{{}}",
        f"{PAGE}/traces/{{}}/",
        f"{PAGE}/sessions/{{}}/",
        f"{PAGE}/imports/{{}}/",
        "/projects/{}/",
        "/api/v1/projects/{}",
    ],
)
def test_names_in_an_address(asking: Client, path: str) -> None:
    names = [*TEXTS[1:], ".", "..", "a/b", "%2e%2e", "?", "#"]
    told = {name[:20]: asking.get(path.format(quote(name, safe=""))).status_code for name in names}
    assert {name: status for name, status in told.items() if status >= 500} == {}


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/imports/{{}}",
        f"{API}/imports/{{}}/preview",
        f"{API}/syncs/{{}}",
        f"{PAGE}/imports/{{}}/",
        f"{PAGE}/kinds/{{}}/",
        f"{PAGE}/views/{{}}/",
    ],
)
def test_numbers_in_an_address_are_found_or_not(asking: Client, path: str) -> None:
    for number in ("0", "2147483648", "9223372036854775807", "9223372036854775808", "1" * 40):
        assert asking.get(path.format(number)).status_code == 404


@pytest.mark.parametrize("code", ["", "\0", "not_a_call", "x" * 5_000, "<b>"])
@pytest.mark.parametrize("path", [f"{API}/ledger", f"{PAGE}/ledger/lines"])
def test_codes_of_the_ledger(asking: Client, path: str, code: str) -> None:
    answer = asking.get(path, {"code": code, "outcome": code})
    assert answer.status_code < 500
    assert b"<b>" not in answer.content or path == f"{API}/ledger"
