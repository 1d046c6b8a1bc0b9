"""Each vendor's API over a real socket gives the events of the truth, adds nothing twice, agrees with its totals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from projects.models import Project
from tests.projects import truth, vendors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

# The kind of a source → the writer's name of its format.
FORMATS = {"portkey": "portkey", "langfuse": "langfuse", "litellm": "litellm_spendlogs", "helicone": "helicone"}
COUNTS_THEM = {"portkey": True, "langfuse": None, "litellm": True, "helicone": None}
# What is written into files stands there for good; these are told apart only across records, or by their bodies.
BEYOND_A_RECORD = {"flags {'retried'} are missing"}
# Langfuse's rows name no provider and say nothing of how a stream ended.
UNTOLD = {"langfuse": {"provider is None, not 'openai'", "flags {'streamed_incomplete'} are missing"}}
KINDS = list(FORMATS)
IN_THE_ROW = ("started_at", "duration_ms", "ttft_ms")
IN_THE_BODY = ("finish_reason", "response_id", "stream", "tok_reasoning")


@pytest.fixture(scope="module")
def served(shared_dir: Path) -> Iterator[str]:
    with vendors.serving(shared_dir) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def calls(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return truth.write(shared_dir, tmp_path_factory.mktemp("truth"), ",".join(FORMATS.values())).calls


def with_bodies(call: dict[str, Any]) -> dict[str, Any]:
    """Helicone's files leave every fifth body behind its link; fetched, the record is as whole as the others."""
    told = call["formats"]["helicone"]
    if "no_body" not in told["flags"]:
        return call
    differs = {name: value for name, value in told["differs"].items() if name in IN_THE_ROW}
    unknown = [name for name in told["unknown"] if name not in IN_THE_BODY]
    whole = {"flags": [flag for flag in told["flags"] if flag != "no_body"], "differs": differs, "unknown": unknown}
    return {**call, "formats": {**call["formats"], "helicone": {**told, **whole}}}


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_comes_out_as_it_was(project: Project, served: str, calls: list[Any], kind: str) -> None:
    sync = vendors.synced(vendors.source(project, kind, served))
    assert (sync.taking.state, sync.taking.reject_counts) == ("done", {}), sync.taking.sentence
    found = {event["source_record_id"]: event for event in vendors.events_of(project)}
    name = FORMATS[kind]
    assert len(found) == len(calls)
    for call in map(with_bodies, calls) if kind == "helicone" else calls:
        event = found[call["formats"][name]["record_id"]]
        assert not set(truth.complaints(call, event, name)) - BEYOND_A_RECORD - UNTOLD.get(kind, set()), call["call_id"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_totals_are_those_of_the_vendor(project: Project, served: str, kind: str) -> None:
    with urlopen(f"{served}/totals") as answer:
        totals = json.loads(answer.read())["formats"][FORMATS[kind]]
    vendors.synced(vendors.source(project, kind, served))
    found = vendors.events_of(project)
    for name, total in totals["tokens"].items():
        if not (kind == "helicone" and name in ("tok_reasoning", "tok_output_visible")):  # known by the fetched bodies
            assert sum(event[name] or 0 for event in found) == total


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_held_to_the_vendors_own(project: Project, served: str, kind: str) -> None:
    sync = vendors.synced(vendors.source(project, kind, served))
    assert sync.is_reconciled is COUNTS_THEM[kind]
    assert sync.n_received == 120 and sync.n_expected in (None, 120)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_sync_adds_nothing(project: Project, served: str, kind: str) -> None:
    row = vendors.source(project, kind, served)
    vendors.synced(row)
    again = vendors.synced(row, since=vendors.LONG_AGO)
    assert (again.taking.n_taken, again.taking.n_versioned, again.taking.n_duplicate) == (0, 0, 120)
    assert {event["version"] for event in vendors.events_of(project)} == {1}


def test_the_next_sync_reads_only_what_is_new(project: Project, served: str) -> None:
    row = vendors.source(project, "langfuse", served)
    vendors.synced(row)
    row.refresh_from_db()
    assert vendors.synced(row).n_received == 0


def test_all_vendors_together_are_one_call_each(project: Project, served: str) -> None:
    for kind in KINDS:
        vendors.synced(vendors.source(project, kind, served))
    assert len(vendors.events_of(project)) == 120


def test_an_older_langfuse_is_read_by_pages(project: Project, shared_dir: Path, calls: list[Any]) -> None:
    with vendors.serving(shared_dir, "--langfuse-api", "v1", "--throttle-every", "0") as base_url:
        sync = vendors.synced(vendors.source(project, "langfuse", base_url))
    assert (sync.is_reconciled, sync.n_expected) == (True, 120)
    found = {event["source_record_id"]: event for event in vendors.events_of(project)}
    for call in calls:
        event = found[call["formats"]["langfuse"]["record_id"]]
        odd = set(truth.complaints(call, event, "langfuse")) - BEYOND_A_RECORD - UNTOLD["langfuse"]
        assert all(each.startswith(("user_id", "session_id")) for each in odd), call["call_id"]  # traces tell those


@pytest.mark.parametrize("kind", ["portkey", "langfuse", "helicone"])
def test_a_rate_limit_is_waited_out(project: Project, shared_dir: Path, kind: str) -> None:
    with vendors.serving(shared_dir, "--throttle-every", "5", n=20) as base_url:
        sync = vendors.synced(vendors.source(project, kind, base_url, history_days=40))
    assert (sync.taking.state, sync.taking.n_taken) == ("done", 20)
