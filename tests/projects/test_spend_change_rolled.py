"""Why spend changed, out of the roll-up though calls that failed have no cost: the same as out of the log."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from netra.tokens import Tokens
from projects import log
from projects.analytics import engine, spending
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
UNTIL = factories.NOON + timedelta(hours=2)
DAY = timedelta(days=1)


@pytest.fixture
def calls(project: Project, db: None) -> None:
    factories.supply_option("openai/gpt-4o-mini")
    failed = {"outcome": "provider_error", "tokens": Tokens(), "response": None}
    events = [
        factories.event(
            f"r-{at}-{day}",
            started_at=factories.NOON - day * DAY,
            **(failed if at == 0 else {"tokens": Tokens(input_fresh=10 * at * (2 - day), output_visible=5)}),
        )
        for day in (0, 1)
        for at in range(3 + 2 * (1 - day))
    ]
    log.write(project.pk, events)


def asked(**told: Any) -> Any:
    return engine.parsed({"analysis": "spend_change", "since": UNTIL - DAY, "until": UNTIL, **told})


def test_the_roll_up_tells_the_same_as_the_log(project: Project, calls: None) -> None:
    question = asked()
    assert spending._cells(project.pk, question, question) == spending._from_log(project.pk, question, question)


def test_by_hand(project: Project, calls: None) -> None:
    # Before: 10 + 20 tokens in and 10 out; after: 20 + 40 + 60 + 80 in and 20 out; at 2 and 8 USD a million.
    whole = engine.answer(project.pk, asked()).more["whole"]
    assert (whole["before"], whole["after"]) == (Decimal("0.00014"), Decimal("0.00056"))
    assert sum(whole[name] for name in ("volume", "mix", "length", "price")) == Decimal("0.00042")


def test_the_log_is_not_read_for_it(project: Project, calls: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "_from_log", None)
    notes = engine.answer(project.pk, asked()).notes
    assert any("1 calls of the earlier window, 1 of this one" in note for note in notes)
