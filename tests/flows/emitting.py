"""Real client libraries in processes of their own: the snippets of docs/emitters.md, run against a running Netra."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.flows import scripted

HERE = Path(__file__).parent
DOC = HERE.parents[1] / "docs" / "emitters.md"
# What a developer's own shell may hold, and what would lead Netra to servers of others.
_FOREIGN = ("OTEL_", "LANGFUSE_", "OPENAI_", "LITELLM_", "TRACELOOP_", "DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")
DEADLINE_S = 60.0
Event = dict[str, Any]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


@dataclass(frozen=True, slots=True)
class Netra:
    """A running Netra, seen from outside."""

    address: str
    keys: Mapping[str, str]

    def get(self, slug: str, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[slug]}"}
        return (
            httpx.get(f"{self.address}/api/v1/logs/{slug}{path}", headers=headers, timeout=30).raise_for_status().json()
        )

    def events(self, slug: str, n: int) -> list[Event]:
        """The project's events in the order they began, whole, as soon as there are n of them."""
        deadline = time.monotonic() + DEADLINE_S
        while len(found := self.get(slug, "?limit=100")["events"]) < n and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) == n, [each["requested_model"] or each["served_model"] for each in found]
        return [self.get(slug, f"/events/{each['event_id']}") for each in sorted(found, key=lambda e: e["started_at"])]


@contextmanager
def netra(folder: Path, slugs: list[str]) -> Iterator[Netra]:
    environment = clean_environment() | {"NETRA_DATA_DIR": str(folder)}
    command = [sys.executable, str(HERE / "running_netra.py"), *slugs]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Netra(**json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True, slots=True)
class Snippet:
    """What one heading of the document says to export and to run."""

    exports: Mapping[str, str]
    code: str

    @classmethod
    def under(cls, heading: str) -> Snippet:
        section = DOC.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        shell, code = (re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[0] for language in ("sh", "python"))
        return cls(dict(re.findall(r'^export (\w+)="(.*)"$', shell, re.MULTILINE)), code)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who answers the snippets: its address, a model it has, and a question it can answer."""

    base_url: str
    model: str
    question: str


def emit(
    heading: str, running: Netra, slug: str, provider: Provider, folder: Path, *, then: str = "", scripted: str = ""
) -> None:
    """Run the snippet under a heading, and then calls of the test's own, in one process that ends by itself."""
    snippet = Snippet.under(heading)
    told = {"http://localhost:8000": running.address, "netra_YOUR_KEY": running.keys[slug], "support-bot": slug}
    exports = {name: _replaced(value, told) for name, value in snippet.exports.items()}
    asked = {"gpt-4o-mini": provider.model, "Where is order 8812?": provider.question}
    script = folder / "snippet.py"
    script.write_text(_replaced(snippet.code, asked) + "\n" + then, encoding="utf-8")
    openai = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk-test", "SCRIPTED_URL": scripted}
    environment = clean_environment() | openai | exports | {"PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, "-B", str(script)]
    ended = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


def _replaced(text: str, by: Mapping[str, str]) -> str:
    for old, new in by.items():
        text = text.replace(old, new)
    return text


def by_call(events: list[Event]) -> dict[str, Event]:
    """Each event under the name that scripted calls give their model; the others under their own."""
    names = [str(each["requested_model"] or each["served_model"]) for each in events]
    found = {name.removesuffix(scripted.SERVED): each for name, each in zip(names, events, strict=True)}
    assert len(found) == len(events), names
    return found
