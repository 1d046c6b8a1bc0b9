"""After a crash: what was in flight is booked at its worst case and never asked again (docs/decisions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from evaluation.asking import name_events
from evaluation.ledger import Balance, book, write_calls
from evaluation.models import EvaluationRun, Judgement, PaidCall, PairwiseJudgement, ReplayCall
from netra.tokens import Tokens
from projects import log
from projects.workloads import Outcome, Purpose, UsageOrigin, WorkloadEvent
from routing.observation import SOURCE

TABLES: tuple[Any, ...] = (ReplayCall, Judgement, PairwiseJudgement)
INTERRUPTED = "The process ended while this call was under way; whether it was answered and paid is not known."


def recover(run: EvaluationRun) -> int:
    """Book what a dead worker left in flight, and log what it had not logged. Returns how many were interrupted.

    Only the holder of the lease may call this. Idempotent.
    """
    n_interrupted = _interrupt(run)
    for table in TABLES:
        unlogged = table._default_manager.filter(run=run, event_id="").exclude(state=PaidCall.State.IN_FLIGHT)
        _log(run, [row for row in unlogged.iterator(200) if row.started_at or row.error_code == "interrupted"])
    return n_interrupted


def _interrupt(run: EvaluationRun) -> int:
    with transaction.atomic():
        held = EvaluationRun.objects.select_for_update().get(pk=run.pk)
        balance = Balance(held.budget_usd, held.spent_usd, held.charged_at_most_usd, held.reserved_usd)
        rows: list[PaidCall] = []
        for table in TABLES:
            rows += table._default_manager.filter(run=run, state=PaidCall.State.IN_FLIGHT)
        for row in rows:
            _mark(row)
            book(balance, row)
        write_calls(rows)
        EvaluationRun.objects.filter(pk=run.pk).update(
            charged_at_most_usd=balance.charged_at_most_usd, reserved_usd=balance.reserved_usd
        )
    return len(rows)


def _mark(row: PaidCall) -> None:
    row.state = PaidCall.State.INTERRUPTED
    row.cost_usd = None
    row.charged_at_most_usd = row.reserved_usd
    row.error_code, row.error = "interrupted", INTERRUPTED
    row.ended_at = timezone.now()
    if isinstance(row, Judgement | PairwiseJudgement):
        row.unscored_because = "interrupted"


def _log(run: EvaluationRun, rows: Iterable[Any]) -> None:
    """Write the events that are missing. One that is already there stays: it was written by who knew more."""
    for row in rows:
        made = _event(run, row)
        known = log.EventFilter(record_id=row.call_key, run_id=made.run_id, purpose=made.purpose)
        found = log.events(run.project_id, known, limit=1).rows
        row.event_id = found[0]["event_id"] if found else log.write(run.project_id, [made]).ids[0]
        name_events([row])


def _event(run: EvaluationRun, row: PaidCall) -> WorkloadEvent:
    """What is known of the call; its request can be had from the sampled event and the rubric."""
    option = row.option if isinstance(row, ReplayCall) else row.judge  # type: ignore[attr-defined]
    provider, _, model = option.partition("/")
    is_known = row.state != PaidCall.State.INTERRUPTED
    return WorkloadEvent(
        source=SOURCE,
        source_record_id=row.call_key,
        started_at=row.started_at,
        ended_at=row.ended_at if is_known else None,
        purpose=Purpose.REPLAY if isinstance(row, ReplayCall) else Purpose.JUDGE,
        duration_ms=row.latency_ms,
        provider=provider,
        requested_model=model or provider,
        response=row.response,
        outcome=_outcome(row),
        error_type=row.error_code or None,
        tokens=Tokens(**row.tokens) if isinstance(row, ReplayCall) else Tokens(),
        usage_origin=UsageOrigin.MISSING,
        cost_recorded_usd=row.cost_usd,
        cost_recorded_origin=SOURCE,
        metadata={"option": option, "charged_at_most_usd": format(row.charged_at_most_usd, "f"), "recovered": True},
        flags=frozenset({"recovered"}),
        is_simulated=run.project.is_simulated,
        run_id=str(run.pk),
    )


def _outcome(row: PaidCall) -> str:
    return {
        PaidCall.State.DONE: Outcome.OK,
        PaidCall.State.FAILED: Outcome.PROVIDER_ERROR,
        PaidCall.State.INTERRUPTED: Outcome.UNKNOWN,
    }[PaidCall.State(row.state)]
