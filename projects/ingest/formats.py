"""Which formats there are, and which one a file is: told from its content, confirmed by the person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from projects.ingest import (
    helicone,
    langfuse,
    litellm_spendlogs,
    litellm_standard,
    netra_lines,
    openai,
    openai_batch,
    openinference,
    otel,
    portkey,
)
from projects.ingest.verdicts import FileRefused
from projects.workloads import WorkloadEvent


class Format(Protocol):
    NAME: str
    TITLE: str

    def records(self, line: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]: ...

    def detect(self, record: Mapping[str, Any]) -> bool: ...

    def parse(self, record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent: ...


# Most particular first: Netra's lines may hold a request and a response too.
FORMATS: dict[str, Format] = {
    each.NAME: each
    for each in (
        netra_lines,
        langfuse,
        litellm_spendlogs,
        litellm_standard,
        portkey,
        helicone,
        otel,
        openinference,
        openai_batch,
        openai,
    )
}


def choices() -> list[tuple[str, str]]:
    return [(name, each.TITLE) for name, each in FORMATS.items()]


def votes(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many of the records each format recognises, those that recognise any, the best first."""
    found = {name: sum(each.detect(record) for record in records) for name, each in FORMATS.items()}
    return {name: n for name, n in sorted(found.items(), key=lambda one: -one[1]) if n}


def detect(records: Sequence[Mapping[str, Any]]) -> str:
    """The name of the format most of the records are in. Raises FileRefused when none fits any."""
    for name in votes(records):
        return name
    known = ", ".join(title for _, title in choices())
    raise FileRefused("no_known_format", f"The file is in no known format; known are: {known}.")


def named(name: str) -> Format:
    """A format by name. Raises FileRefused when there is none of that name."""
    if name not in FORMATS:
        raise FileRefused("no_known_format", f"There is no format {name!r}; known are: {', '.join(FORMATS)}.")
    return FORMATS[name]
