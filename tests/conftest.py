"""The cast and the stage: owner, member, viewer, stranger; a private data directory and event store per process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's own loop runs in the test thread

import hypothesis
import pytest
from django.test import Client

from netra import clickhouse
from projects.models import Membership, Project, User
from tests import factories

# A loaded machine is slow at times: how long an example takes is no behaviour. A build tries the same examples each
# time; NETRA_EXAMPLES=500 goes looking for new ones.
_unhurried = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("build", _unhurried, derandomize=True, database=None)
hypothesis.settings.register_profile("search", _unhurried, max_examples=int(os.environ.get("NETRA_EXAMPLES", "100")))
hypothesis.settings.load_profile("search" if "NETRA_EXAMPLES" in os.environ else "build")

SHARED = Path(os.environ.get("NETRA_SHARED_DIR", Path(__file__).resolve().parent.parent.parent / "shared"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stores", action="store_true", help="only tests that use the database, for a run on another one")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--stores"):
        config.hook.pytest_deselected(items=[each for each in items if not _uses_the_database(each)])
        items[:] = [each for each in items if _uses_the_database(each)]


def _uses_the_database(item: pytest.Item) -> bool:
    wanted = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not {"db", "transactional_db"}.isdisjoint(wanted)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of public data and tools beside the repository; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def event_schema() -> None:
    """The event store's tables, made once a process."""
    from django.core.management import call_command

    call_command("migrate_log", verbosity=0)


@pytest.fixture
def events(event_schema: None) -> Iterator[None]:
    """An empty event store for this test. Ask for it wherever a test writes or reads the log."""
    yield
    told = ("workload_events", "superseded_events", "source_records", "erased_records")
    for table in (*told, "event_hours", "latency_hours"):
        clickhouse.command(f"TRUNCATE TABLE IF EXISTS {table}")


@pytest.fixture
def owner(db: None) -> User:
    return factories.user("owner@example.com")


@pytest.fixture
def member(db: None) -> User:
    return factories.user("member@example.com")


@pytest.fixture
def viewer(db: None) -> User:
    return factories.user("viewer@example.com")


@pytest.fixture
def stranger(db: None) -> User:
    """Logged in, owner of something else, nobody here."""
    person = factories.user("stranger@example.com")
    factories.project("elsewhere", owner=person)
    return person


@pytest.fixture
def project(owner: User, member: User, viewer: User) -> Project:
    made = factories.project("agent", owner=owner)
    factories.join(made, member, Membership.Role.MEMBER)
    factories.join(made, viewer, Membership.Role.VIEWER)
    return made


@pytest.fixture
def as_owner(owner: User) -> Client:
    return factories.client(owner)


@pytest.fixture
def as_member(member: User) -> Client:
    return factories.client(member)


@pytest.fixture
def as_viewer(viewer: User) -> Client:
    return factories.client(viewer)


@pytest.fixture
def as_stranger(stranger: User) -> Client:
    return factories.client(stranger)
