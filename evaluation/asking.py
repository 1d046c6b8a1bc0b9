"""Asking a model on behalf of a run: within its budget and concurrency, and every call in the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction

from evaluation.ledger import Ledger, update
from evaluation.models import PaidCall
from netra.answers import first_choice
from routing import observation
from routing.calls import ModelCall, OptionTarget, Outcome, worst_case_usd
from routing.execution import run

Result = TypeVar("Result")

# An insert costs the event store the same for one event as for a thousand; what a kill leaves unlogged is in the rows.
LOG_BATCH = 500
LOG_PAUSE_S = 5.0
MAX_ATTEMPTS = 3
# These say that the run is set up wrongly, not that the model is bad: going on would waste the budget.
SET_UP_WRONGLY = frozenset({"key_refused", "model_not_found", "cost_unbounded"})


class OutOfBudget(Exception):
    """The next attempt could pass the cap, so it was not made."""


class SetUpWrongly(Exception):
    """A call that can never succeed; the sentence says what to mend."""


@dataclass(slots=True)
class Asker:
    """One for each run; use as `async with`."""

    project_id: int
    run_id: int
    ledger: Ledger
    concurrency: int
    _made: list[tuple[PaidCall, ModelCall, Outcome]] = field(default_factory=list)
    _logger: asyncio.Task[None] | None = None
    _is_due: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closing: bool = False
    _places: asyncio.Semaphore = field(init=False)
    _ahead: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.concurrency)
        # Reservations are committed one call ahead, so that a free place never waits for the database. After a kill
        # these calls count as sent although some were not: dearer by at most `concurrency` worst cases, never unsafe.
        self._ahead = asyncio.Semaphore(2 * self.concurrency)

    async def __aenter__(self) -> Asker:
        self._logger = asyncio.create_task(self._log_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._logger is not None
        self._is_closing = True  # not cancelled: a batch on its way to the log must learn its event ids
        self._is_due.set()
        await self._logger
        await self._log()

    async def ask(
        self, row: PaidCall, target: OptionTarget, request: Mapping[str, Any], *, purpose: str, suffix: str = ""
    ) -> Outcome:
        """Make one call for a row and add what it cost to the row; call `finish` when the row is complete.

        Raises OutOfBudget before anything was sent, SetUpWrongly for what no retry can mend, LeaseLost.
        """
        call = ModelCall(
            project_id=self.project_id,
            option=target,
            request=request,
            purpose=purpose,
            call_key=row.call_key + suffix,
            max_attempts=MAX_ATTEMPTS,
            run_id=str(self.run_id),
        )
        worst_usd = worst_case_usd(request, target)
        if worst_usd is None:
            raise SetUpWrongly(f"What a call to {target.option} can cost at most is not known.")
        async with self._ahead:
            if not await self.ledger.reserve(row, worst_usd):
                raise OutOfBudget
            async with self._places:
                outcome = await run(call, before_attempt=self._reserver(row))
        charge(row, outcome)
        self._made.append((row, call, outcome))
        if len(self._made) >= LOG_BATCH:
            self._is_due.set()
        return outcome

    async def finish(self, row: PaidCall) -> None:
        """Write how the row ended. Raises SetUpWrongly after booking what can never succeed."""
        await self.ledger.settle(row)
        if row.error_code in SET_UP_WRONGLY:
            raise SetUpWrongly(row.error)

    def _reserver(self, row: PaidCall) -> Any:
        async def before(number: int, worst_usd: Decimal) -> bool:
            return number == 1 or await self.ledger.reserve(row, worst_usd, may_wait=False)

        return before

    async def _log_forever(self) -> None:
        while not self._is_closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_due.wait(), LOG_PAUSE_S)
            self._is_due.clear()
            await self._log()

    async def _log(self) -> None:
        """Write the calls finished by now to the log; their rows then name their events."""
        batch, self._made = self._made, []
        if not batch:
            return
        pairs = [(call, outcome) for _row, call, outcome in batch]
        event_ids = await asyncio.to_thread(observation.record_many, self.project_id, pairs)
        for (row, _call, _outcome), event_id in zip(batch, event_ids, strict=True):
            row.event_id = event_id or ""
        rows = [row for row, _call, _outcome in batch if row.event_id]
        await self.ledger.in_thread(lambda: name_events(rows))


async def together(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Await all of them, then raise the first problem, if any: a call that was sent must be seen to its end."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def name_events(rows: Sequence[PaidCall]) -> None:
    """Write the event ids of rows, and nothing else of them: they may just be changing."""
    with transaction.atomic():
        for table in {type(row) for row in rows}:
            update(table, [row for row in rows if type(row) is table], [table._meta.get_field("event_id")])


def charge(row: PaidCall, outcome: Outcome) -> None:
    """Add a call's outcome to its row. A cost that is not known makes the sum unknown, never smaller."""
    is_first = row.ended_at is None
    row.cost_usd = outcome.cost_usd if is_first else _sum(row.cost_usd, outcome.cost_usd)
    row.charged_at_most_usd += outcome.charged_at_most_usd
    row.state = PaidCall.State.DONE if outcome.ok else PaidCall.State.FAILED
    row.response = outcome.response
    row.latency_ms, row.ttft_ms = outcome.duration_ms, outcome.ttft_ms
    row.error_code, row.error = outcome.error_code or "", outcome.error_sentence or ""
    row.started_at = row.started_at or outcome.started_at
    row.ended_at = outcome.ended_at


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def answer_text(response: Mapping[str, Any] | None) -> str:
    """What judges read of an answer: its text, or its tool calls as JSON."""
    message = (first_choice(response or {}) or {}).get("message") or {}
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        shown = [_tool_call(call) for call in calls if isinstance(call, Mapping)]
        return json.dumps(shown[0] if len(shown) == 1 else shown, ensure_ascii=False)
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else str(message.get("refusal") or "")


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return {"name": function, "arguments": None}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    return {"name": function.get("name"), "arguments": arguments}
