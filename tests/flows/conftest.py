"""A running Netra, and who answers the client libraries that send to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netra.simulation import server
from tests.flows import emitting, recorded, scripted

PROJECTS = ["genai", "openinference", "openllmetry", "litellm", "litellm-otel", "langfuse"]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emitting.Netra]:
    with emitting.netra(tmp_path_factory.mktemp("netra"), PROJECTS) as netra:
        yield netra


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emitting.Provider]:
    """The recorded provider, with a prompt it knows; the simulated one, which answers anything, where that is not."""
    if not recorded.shared_dir().is_dir():
        simulated = server.start(time_scale=0)
        yield emitting.Provider(simulated.base_url, "sim-small", "Where is order 8812?")
        simulated.stop()
        return
    log = recorded.make_log(tmp_path_factory.mktemp("prompts"), n=60)
    with recorded.provider() as base_url:
        yield emitting.Provider(base_url, "vicuna-7b", _short_prompt(log))


def _short_prompt(log: Path) -> str:
    """A plain question of the recordings, short and on one line."""
    calls = [json.loads(line)["request"]["messages"] for line in log.read_text(encoding="utf-8").splitlines()]
    texts = [asked[0]["content"] for asked in calls if len(asked) == 1 and isinstance(asked[0]["content"], str)]
    return min(
        (text for text in texts if text.isascii() and text.isprintable() and not set(text) & set('"\\')), key=len
    )


@pytest.fixture(scope="session")
def scripted_url() -> Iterator[str]:
    with scripted.provider() as base_url:
        yield base_url
