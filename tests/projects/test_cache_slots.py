"""What varies in texts that are otherwise the same: found, named, and moved to the end."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.cache_reuse import edits, slots
from projects.cache_reuse.prompts import Segment
from tests.projects.prompts import INSTRUCTIONS, asked, call


def _slots(texts: list[str], known: dict[str, str] | None = None) -> list[slots.Slot]:
    [template] = slots.templates(texts)
    return template.slots(known or {})


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", [f"2026-11-02T12:00:{n:02}Z" for n in range(9)]),
        ("timestamp", [f"{1_700_000_000 + n}" for n in range(9)]),
        ("date", [f"{n + 1} November 2026" for n in range(9)]),
        ("date", [f"2026-11-{n + 1:02}" for n in range(9)]),
        ("time of day", [f"{n + 1}:30 PM" for n in range(9)]),
        ("uuid", [str(uuid.UUID(int=n * 10**30)) for n in range(9)]),
        ("e-mail address", [f"person{n}@example.com" for n in range(9)]),
        ("identifier", [f"req_8f{n}a77b2" for n in range(9)]),
        ("number", [f"{n * 7}" for n in range(9)]),
        ("name", ["Anna Smith", "Bob Jones", "Carla Díaz"]),
        ("text that varies", ["likes red, hates mail", "owes 3 parcels", "is new here"]),
    ],
)
def test_what_varies_is_named(kind: str, values: list[str]) -> None:
    [slot] = _slots([f"Now there is {value}.\n{INSTRUCTIONS}" for value in values])
    assert (slot.kind, slot.at_char, slot.n_values) == (kind, len("Now there is "), len(values))
    assert slot.before.endswith("Now there is ")


def test_a_name_after_user_is_a_user_name_and_shows_no_example() -> None:
    [slot] = _slots([f"You assist {name}.\n{INSTRUCTIONS}" for name in ("Anna Smith", "Bob Jones")])
    assert slot.kind == "user name"
    assert slot.is_personal


def test_what_the_log_knows_is_called_so() -> None:
    [slot] = _slots([f"For {user}:\n{INSTRUCTIONS}" for user in ("abc", "xyz")], {"abc": "user id", "xyz": "user id"})
    assert slot.kind == "user id"


def test_several_places_are_told_in_their_order() -> None:
    texts = [f"Date: 2026-11-{n:02}. Request {uuid.UUID(int=n)}.\n{INSTRUCTIONS}" for n in range(1, 20)]
    assert [slot.kind for slot in _slots(texts)] == ["date", "uuid"]


def test_a_date_that_never_changes_is_no_such_place() -> None:
    [slot] = _slots([f"As of 2026-11-02, the plan is {plan}.\n{INSTRUCTIONS}" for plan in ("free", "pro")])
    assert slot.kind == "text that varies"


def test_different_prompts_are_not_taken_for_one() -> None:
    other = " ".join(f"Sentence {n} of something else altogether!" for n in range(90))
    assert slots.templates([INSTRUCTIONS, other]) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="aZ 0.\n:-", max_size=30), min_size=2, max_size=8, unique=True))
def test_nothing_is_lost_by_taking_places_out(values: list[str]) -> None:
    for template in slots.templates([f"{value}\n{INSTRUCTIONS}" for value in values]):
        for text, found in template.values.items():
            pieces = [found[0], *(piece for pair in zip(template.fixed, found[1:], strict=True) for piece in pair)]
            assert "".join(pieces) == text


def test_long_texts_of_few_words_end_soon() -> None:
    texts = [" ".join(["the", "a", "of"][(n + at) % 3] for at in range(20_000)) for n in range(6)]
    assert slots.templates(texts) is not None


def test_a_call_says_last_what_varied_first() -> None:
    [edit] = edits.edits(asked(6, stamped=True))
    changed = edit.changed[3]
    assert changed.segments[0] == Segment("system", f"Current time: \n{INSTRUCTIONS}")
    assert changed.segments[-1].text == "2026-11-02T00:03:00Z"
    assert changed.segments[1].text == "Question 3?"


def test_tools_in_another_order_are_put_in_one() -> None:
    tools = [("tools", '{"name":"a"}'), ("tools", '{"name":"b"}')]
    calls = [call(at, *(tools if at % 2 else tools[::-1]), ("user", f"{at}")) for at in range(4)]
    [edit] = edits.edits(calls)
    assert edit.where == "tools"
    assert {each.segments[0].text for each in edits.applied(calls, edit)} == {'{"name":"a"}'}


def test_prompts_that_do_not_change_need_no_edit() -> None:
    assert edits.edits(asked(6, stamped=False)) == []
