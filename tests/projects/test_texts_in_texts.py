"""Bodies that are JSON inside a text: what its escapes hide is as safe to keep as what stands in the open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.projects import fuzzing

HIDDEN = "one\\ud800two\\u0000three"
BODIES = {
    "a request": f'{{"model": "m", "messages": [{{"role": "user", "content": "{HIDDEN}"}}]}}',
    "an answer": f'{{"id": "x", "choices": [{{"message": {{"role": "assistant", "content": "{HIDDEN}"}}}}]}}',
    "messages": f'[{{"role": "user", "content": "{HIDDEN}"}}]',
    "chunks": f'[{{"choices": [{{"index": 0, "delta": {{"content": "{HIDDEN}"}}}}]}}]',
    "an event stream": f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{HIDDEN}"}}}}]}}\n\n',
    "usage": '{"prompt_tokens": NaN, "completion_tokens": 1e400}',
    "a name": f'{{"{HIDDEN}": "{HIDDEN}"}}',
    "deep": '{"messages": ' + "[" * 600 + "]" * 600 + "}",
    "a text in a text": json.dumps(json.dumps({"content": "\ud800"})),
}


def places(record: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a record: what holds it and under which name."""
    for key in list(record) if isinstance(record, dict) else range(len(record)) if isinstance(record, list) else ():
        yield record, key
        yield from places(record[key])


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("name", fuzzing.samples())
def test_it_stops_no_import_in_any_place_of_any_format(name: str, body: str) -> None:
    """Through the importer, an open door and a private one, to the rows and what waits on disk."""
    for record in fuzzing.samples()[name]:
        for holder, key in list(places(record)):
            before, holder[key] = holder[key], body
            assert fuzzing.take(name, json.dumps(record).encode()).total() >= 1
            holder[key] = before
