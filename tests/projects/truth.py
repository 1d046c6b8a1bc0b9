"""Real calls written in every format with the truth beside them: what an import must give back, field by field."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from netra.tokens import BUCKETS
from projects import importing, log
from projects.log import EventFilter
from projects.models import Import, Project

# Truth's name → the event's.
NAMES = {
    "response_id": "provider_response_id",
    **{
        name: name
        for name in (
            *("requested_model", "served_model", "session_id", "user_id", "stream", "http_status", "finish_reason"),
            *("operation", "provider"),
        )
    },
}
CLOSE_MS = 0.01


@dataclass(frozen=True)
class Written:
    """A folder of logs in one format, and the calls they tell of."""

    folder: Path
    format: str
    files: tuple[str, ...]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "truth.jsonl").read_text().splitlines()]

    @property
    def totals(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())["formats"][self.format]
        return found


def write(
    shared_dir: Path, folder: Path, format_name: str, *files: str, n: int = 120, options: Sequence[str] = ()
) -> Written:
    """Logs of `n` calls in one format (the writer's name for it), or several with commas between."""
    tool = shared_dir / "tools" / "make_logs.py"
    arguments = ["--out", str(folder), "--model", "gpt-3.5-turbo-1106", "--n", str(n), "--formats", format_name]
    arguments += options
    subprocess.run([sys.executable, str(tool), *arguments], check=True, capture_output=True)
    return Written(folder, format_name, files)


def take(project: Project, written: Written, *, format_name: str) -> list[dict[str, Any]]:
    """Import the files; every event, whole. The format must be recognised and no line rejected."""
    for name in written.files:
        path = written.folder / name
        taking = importing.run(Import.objects.create(project=project, file_name=name, file_path=str(path)))
        assert (taking.state, taking.reject_counts, taking.format) == ("done", {}, format_name), taking.sentence
    return list(log.export(project.pk, EventFilter()))


def complaints(call: dict[str, Any], event: dict[str, Any], format_name: str) -> Iterator[str]:
    """What is not as it should be in one event: nothing, when the import is right."""
    told = call["formats"][format_name]
    unknown, expected = set(told["unknown"]), call | told["differs"]
    for name, ours in NAMES.items():
        if name not in unknown and event[ours] != expected[name]:
            yield f"{ours} is {event[ours]!r}, not {expected[name]!r}"
    yield from _times(expected, event, unknown)
    yield from _tokens(call, told["differs"], event, unknown)
    yield from _cost(call, told["differs"], event, unknown)
    missing = set(told["flags"]) - set(event["flags"])
    if missing:
        yield f"flags {missing} are missing"
    yield from _bodies(call, event, set(told["flags"]))


def _times(expected: dict[str, Any], event: dict[str, Any], unknown: set[str]) -> Iterator[str]:
    if "started_at" not in unknown and event["started_at"] != datetime.fromisoformat(expected["started_at"]):
        yield f"started_at is {event['started_at']}, not {expected['started_at']}"
    for name in ("duration_ms", "ttft_ms"):
        wanted = None if name in unknown else expected[name]
        if (event[name] is None) != (wanted is None) or (wanted and abs(event[name] - wanted) > CLOSE_MS):
            yield f"{name} is {event[name]}, not {wanted}"


def _tokens(call: dict[str, Any], differs: dict[str, Any], event: dict[str, Any], unknown: set[str]) -> Iterator[str]:
    for name in BUCKETS:
        column = f"tok_{name}"
        wanted = None if column in unknown else differs.get(column, call["tokens"].get(name))
        # Usage objects report 0 where the truth has none at all; a reported zero is kept.
        if event[column] != wanted and (event[column] or wanted):
            yield f"{column} is {event[column]}, not {wanted}"


def _cost(call: dict[str, Any], differs: dict[str, Any], event: dict[str, Any], unknown: set[str]) -> Iterator[str]:
    wanted = None if "cost_recorded_usd" in unknown else differs.get("cost_recorded_usd", call["cost_usd"])
    found = event["cost_recorded_usd"]
    if (found or None) != (Decimal(wanted) if wanted else None):
        yield f"cost_recorded_usd is {found}, not {wanted}"


def _bodies(call: dict[str, Any], event: dict[str, Any], flags: set[str]) -> Iterator[str]:
    if "no_body" in flags:
        return
    if "truncated_request" not in flags:
        asked = (event["request"] or {}).get("messages")
        if asked != call["request"]["messages"]:
            yield f"the messages are {str(asked)[:200]}"
    if "truncated_response" in flags or not (call["response"] or {}).get("choices"):
        return
    wanted = [_said(choice) for choice in call["response"]["choices"]]
    found = [_said(choice) for choice in (event["response"] or {}).get("choices", [])]
    if found != wanted:
        yield f"the answer is {str(found)[:200]}, not {str(wanted)[:200]}"


def _said(choice: dict[str, Any]) -> tuple[Any, Any]:
    message = choice["message"]
    calls = [each["function"] for each in message.get("tool_calls") or ()]
    return message.get("content") or message.get("refusal") or None, calls
