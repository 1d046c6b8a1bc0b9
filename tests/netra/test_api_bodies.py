"""Bodies of the API: what no database could hold is refused before anything looks at it, in the one error shape."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from projects.models import AuditEntry, Project

pytestmark = pytest.mark.django_db
PATH = "/api/v1/projects/agent"

UNSTORABLE = {
    "NUL in a text": rb'{"name": "a\u0000b"}',
    "NUL in a list": rb'{"masked_terms": ["ok", "a\u0000b"]}',
    "NUL in a name": rb'{"na\u0000me": "x"}',
    "half a character": rb'{"name": "a\ud800b"}',
    "the other half": rb'{"description": "\udc00"}',
    "half a character in a name": rb'{"\ud800": 1}',
    "NaN": b'{"retention_days": NaN}',
    "endless": b'{"retention_days": -Infinity}',
    "beyond all numbers": b'{"retention_days": 1e999}',
    "bytes of no text": b'{"name": "\xff"}',
    "no JSON": b"{'name': 'x'}",
    "cut": b'{"name": "x"',
    "two values": b"{}{}",
    "nothing": b"",
    "beyond all depth": b'{"masks": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


def patched(client: Client, body: bytes) -> Any:
    client.raise_request_exception = False
    return client.patch(PATH, body, content_type="application/json")


@pytest.mark.parametrize("body", UNSTORABLE.values(), ids=UNSTORABLE)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(as_owner: Client, project: Project, body: bytes) -> None:
    answer = patched(as_owner, body)
    assert answer.status_code in (400, 422)
    assert {"detail", "code"} <= set(answer.json())
    assert AuditEntry.objects.count() == 0
    project.refresh_from_db()
    assert (project.name, project.retention_days, project.masked_terms) == ("Agent", None, [])


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (rb'{"name": "a\\u0000b"}', r"a\u0000b"),
        (rb'{"name": "\ud83d\ude00"}', "\U0001f600"),
        ('{"name": "größe"}'.encode(), "größe"),
        (rb'{"name": "<b>\u202e"}', "<b>\u202e"),
        (b' \n{"name": "x"}\n', "x"),
        (b'{"name": "first", "name": "last"}', "last"),
    ],
    ids=["an escape that is written out", "a whole pair", "UTF-8", "markup", "blanks around", "twice"],
)
def test_what_only_looks_like_it_is_kept_as_it_is(as_owner: Client, project: Project, body: bytes, name: str) -> None:
    assert patched(as_owner, body).status_code == 200
    project.refresh_from_db()
    assert project.name == name
    assert as_owner.get(PATH).json()["name"] == name


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"true"])
def test_json_that_is_no_object_is_refused(as_owner: Client, project: Project, body: bytes) -> None:
    assert patched(as_owner, body).status_code in (400, 422)
    assert AuditEntry.objects.count() == 0
