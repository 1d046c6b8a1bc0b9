"""Guardrails as people write them: what is refused at the field, and patterns that want to take forever."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.errors import Invalid
from projects.privacy import Door
from routing import guardrails
from routing.guardrails import as_rules, checked, finders, rule

DOOR = Door(1)
GOOD = {"name": "codes", "kind": "regex", "pattern": r"X-\d+"}


def test_a_rule_comes_back_in_its_plain_form() -> None:
    (plain,) = checked([GOOD])
    assert plain["action"] == "block" and plain["on"] == "input" and plain["longest"] == 200
    assert as_rules([plain])[0].pattern == r"X-\d+" and checked([plain]) == [plain]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"name": ""}, "name", "needs a name"),
        ({"name": "a\nb"}, "name", "needs a name"),
        ({"kind": "magic"}, "kind", "regex, pii, max_tokens"),
        ({"kind": None}, "kind", "regex, pii, max_tokens"),
        ({"on": "both"}, "on", "input, output"),
        ({"action": "shout"}, "action", "block, mask"),
        ({"pattern": ""}, "pattern", "needs a pattern"),
        ({"pattern": "a" * 501}, "pattern", "at most 500"),
        ({"pattern": 5}, "pattern", "needs a pattern"),
        ({"pattern": "(a"}, "pattern", "missing )"),
        ({"pattern": "(?<!x)a"}, "pattern", "RE2"),
        ({"pattern": r"(a)\1"}, "pattern", "RE2"),
        ({"pattern": "a*"}, "pattern", "empty text"),
        ({"pattern": "[a-z]{1,900}[0-9]{1,900}[a-z]{1,900}"}, "pattern", "too large"),
        ({"longest": 5}, "longest", "from 16 to 4,000"),
        ({"longest": True}, "longest", "whole number"),
        ({"kind": "max_tokens", "pattern": ""}, "limit", "needs a limit"),
        ({"kind": "max_tokens", "limit": -1}, "limit", "whole number"),
        ({"kind": "max_tokens", "limit": 5, "on": "output", "unit": "characters"}, "unit", "characters on input"),
        ({"kind": "pii", "kinds": ["smell"]}, "kinds", "email"),
        ({"restore": True}, "restore", "pii rule masks"),
        ({"colour": "red"}, "colour", "nothing that a rule has"),
    ],
)
def test_what_no_rule_can_mean_is_refused_at_its_field(change: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked([GOOD | {"name": "first"}, GOOD | change])
    assert refusal.value.field == field and said in str(refusal.value) and "Rule 2" in str(refusal.value)


def test_a_list_has_bounds_and_names_are_its_counters() -> None:
    with pytest.raises(Invalid, match="list of rules"):
        checked({"name": "x"})
    with pytest.raises(Invalid, match="at most 20"):
        checked([GOOD | {"name": f"rule {number}"} for number in range(21)])
    with pytest.raises(Invalid, match="Two rules"):
        checked([GOOD, GOOD])


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"(a|aa)+b", r"(.*?,){20}P", r"(?:a?){300}a{300}", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(x+x+)+y"],
)
def test_no_accepted_pattern_hangs(pattern: str) -> None:
    """An engine that goes back and forth needs longer than the universe has for some of these."""
    (finder,) = finders(rule(GOOD | {"pattern": pattern}), DOOR)
    assert sum(end - begin for begin, end in finder.spans("a" * 20_000)) <= 20_000


@pytest.mark.parametrize("bomb", ["(?:" * 90 + "a" + "){1,99}" * 90, "(" * 400 + "a" + ")" * 400 + "{1000}"])
def test_a_pattern_that_unfolds_without_end_is_refused_before_it_does(bomb: str) -> None:
    with pytest.raises(Invalid):
        guardrails.compiled(bomb)


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_pattern_is_refused_or_finds_in_order(pattern: str, text: str) -> None:
    try:
        found = rule(GOOD | {"pattern": pattern})
    except Invalid:
        return
    ends = [0]
    for begin, end in finders(found, DOOR)[0].spans(text):
        assert ends[-1] <= begin < end <= len(text)
        ends.append(end)


def test_personal_data_is_what_the_project_calls_so() -> None:
    everything = finders(rule({"name": "all", "kind": "pii"}), Door(1, terms=re.compile("falcon")))
    labels = [finder.label for finder in everything]
    assert labels[0] == "email" and labels[-1] == "term" and "card" in labels
    (card,) = finders(rule({"name": "cards", "kind": "pii", "kinds": ["card"]}), DOOR)
    text = "4111 1111 1111 1111 and 4111 1111 1111 1112"
    assert list(card.spans(text)) == [(0, 19)]
