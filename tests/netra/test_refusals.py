"""Did the model decline?"""

from __future__ import annotations

import pytest

from netra.refusals import is_refusal


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with that request.",
        "I am unable to provide instructions for that.",
        "I'm not able to help with this.",
        "Sorry, I cannot do that.",
        "As an AI language model, I cannot provide medical advice of that kind.",
        "I must decline to answer.",
        "I won't help with this.",
        "Unfortunately, I can't share that information.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal({"content": text}, "stop") is True


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 4.",
        "",
        "You can't divide by zero.",
        "Your refund has been issued. If the printer cannot connect, restart it.",
        "Dear Ms Lee, I am sorry for the delay; the parcel ships on Friday.",
        "x" * 500 + " I'm sorry, but I can't help with that.",
        "She said: they cannot provide it.",
    ],
)
def test_answers(text: str) -> None:
    assert is_refusal({"content": text}, "stop") is False


def test_what_the_provider_says_goes_first() -> None:
    assert is_refusal({"content": "ok", "refusal": "No."}, "stop") is True
    assert is_refusal({"content": "ok"}, "content_filter") is True
    assert is_refusal(None, "content_filter") is True


def test_nothing_to_look_at_is_unknown() -> None:
    assert is_refusal(None, "stop") is None
    assert is_refusal({"content": None}, "stop") is None
    assert is_refusal({"content": None, "tool_calls": [{}]}, "tool_calls") is False
