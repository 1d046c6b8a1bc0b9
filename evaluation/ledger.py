"""A run's money: every call is marked in flight, and its worst case reserved, before it is sent.

One writer a run. What asks for a reservation while a transaction is on its way joins the next one, so that hundreds of
calls a second cost a few dozen commits. The cap holds over a kill: what was reserved and never settled is booked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from django.db import connection, connections, transaction
from django.utils import timezone

from evaluation.models import LEASE, EvaluationRun, PaidCall

BEAT_S = LEASE.total_seconds() / 6
# Others join a commit for so long; a place is busy meanwhile with the call reserved before.
GATHER_S = 0.004
Returned = TypeVar("Returned")


class LeaseLost(Exception):
    """Another worker holds the run, or it was deleted: stop at once, send nothing more."""


@dataclass(slots=True)
class _Entry:
    """One thing to write: a reservation (`usd` set) or the end of a call (`usd` None)."""

    call: PaidCall
    usd: Decimal | None
    may_wait: bool
    done: asyncio.Future[bool]


@dataclass(slots=True)
class Balance:
    """The run's money as of the last commit."""

    budget_usd: Decimal
    spent_usd: Decimal = Decimal(0)
    charged_at_most_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)
    is_cancel_asked: bool = False

    @property
    def left_usd(self) -> Decimal:
        return self.budget_usd - self.charged_at_most_usd - self.reserved_usd


@dataclass(slots=True)
class Ledger:
    """Use as `async with Ledger(run_id, owner) as ledger`. Its thread has its own database connection."""

    run_id: int
    owner: str
    balance: Balance = field(default_factory=lambda: Balance(Decimal(0)))
    _waiting: list[_Entry] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "ledger"))
    _writer: asyncio.Task[None] | None = None
    _problem: BaseException | None = None

    async def __aenter__(self) -> Ledger:
        self._writer = asyncio.create_task(self._write_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._writer is not None
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        await self.in_thread(connections.close_all)
        self._thread.shutdown()

    async def in_thread(self, function: Callable[[], Returned]) -> Returned:
        """Run something with the database in the ledger's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def reserve(self, call: PaidCall, usd: Decimal, *, may_wait: bool = True) -> bool:
        """Mark a call in flight and reserve the worst case of its next attempt; False when that could pass the cap.

        With `may_wait`, while other calls hold reservations the answer is put off until they settle: most cost far
        less than their worst case. Returns after the commit. Raises LeaseLost when the run is no longer ours.
        """
        return await self._submit(call, usd, may_wait=may_wait)

    async def settle(self, call: PaidCall) -> None:
        """Write how a call ended; its reservation is released and what it cost, at most, is booked."""
        await self._submit(call, None, may_wait=False)

    async def _submit(self, call: PaidCall, usd: Decimal | None, *, may_wait: bool) -> bool:
        if self._problem is not None:
            raise LeaseLost(str(self._problem)) from self._problem
        entry = _Entry(call, usd, may_wait, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._wake.set()
        return await entry.done

    async def _write_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):  # nothing to write: renew the lease all the same
                await asyncio.wait_for(self._wake.wait(), BEAT_S)
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                allowed = await self.in_thread(lambda entries=batch: self._commit(entries))  # type: ignore[misc]
            except Exception as problem:
                self._fail(problem, batch)
                return
            for entry, is_allowed in zip(batch, allowed, strict=True):
                if is_allowed is None:  # tried again with the next commit, which a settling call will cause
                    self._waiting.append(entry)
                elif not entry.done.done():
                    entry.done.set_result(is_allowed)

    def _fail(self, problem: Exception, batch: Sequence[_Entry]) -> None:
        self._problem = problem
        for entry in (*batch, *self._waiting):
            if not entry.done.done():
                entry.done.set_exception(LeaseLost(str(problem)))

    def _commit(self, batch: Sequence[_Entry]) -> list[bool | None]:
        with transaction.atomic():
            balance = self._read_balance()
            allowed = [_apply(balance, entry) for entry in batch]
            write_calls(entry.call for entry, is_allowed in zip(batch, allowed, strict=True) if is_allowed)
            self._write_balance(balance)
        self.balance = balance
        return allowed

    def _read_balance(self) -> Balance:
        names = ("budget_usd", "spent_usd", "charged_at_most_usd", "reserved_usd", "is_cancel_asked")
        mine = EvaluationRun.objects.unfinished().filter(pk=self.run_id, lease_owner=self.owner)
        found = next(iter(mine.select_for_update().values_list(*names)), None)
        if found is None:
            raise LeaseLost("The run is no longer this worker's.")
        return Balance(*found)

    def _write_balance(self, balance: Balance) -> None:
        now = timezone.now()
        EvaluationRun.objects.filter(pk=self.run_id).update(
            spent_usd=balance.spent_usd,
            charged_at_most_usd=balance.charged_at_most_usd,
            reserved_usd=balance.reserved_usd,
            heartbeat_at=now,
            lease_until=now + LEASE,
        )


def _apply(balance: Balance, entry: _Entry) -> bool | None:
    call = entry.call
    if entry.usd is None:
        book(balance, call)
        return True
    if balance.is_cancel_asked:
        return False
    if entry.usd > balance.left_usd:
        return None if entry.may_wait and balance.reserved_usd > 0 else False
    balance.reserved_usd += entry.usd
    call.state = PaidCall.State.IN_FLIGHT  # again, where a judge is asked a second time: or a kill would not be booked
    call.reserved_usd += entry.usd
    call.attempts += 1
    return True


def book(balance: Balance, call: PaidCall) -> None:
    """Release what a finished call had reserved and charge it."""
    balance.reserved_usd -= call.reserved_usd
    balance.charged_at_most_usd += call.charged_at_most_usd
    balance.spent_usd += call.cost_usd or Decimal(0)
    call.reserved_usd = Decimal(0)


def write_calls(calls: Iterable[PaidCall]) -> None:
    """Insert new rows and update known ones, by table; inside the caller's transaction."""
    by_table: dict[type[PaidCall], dict[int, PaidCall]] = {}
    for call in calls:
        by_table.setdefault(type(call), {})[id(call)] = call
    for table, rows in by_table.items():
        known = [row for row in rows.values() if row.pk is not None]
        table._default_manager.bulk_create([row for row in rows.values() if row.pk is None])
        update(table, known, [column for column in table._meta.concrete_fields if not column.primary_key])


def update(table: type[PaidCall], rows: Sequence[PaidCall], fields: Sequence[Any]) -> None:
    """One prepared UPDATE for all rows: `bulk_update` builds a CASE over every text, many times slower."""
    if not rows:
        return
    quote = connection.ops.quote_name
    columns = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    key = table._meta.pk
    assert key.column is not None
    sql = f"UPDATE {quote(table._meta.db_table)} SET {columns} WHERE {quote(key.column)} = %s"  # noqa: S608
    values = [
        [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields), row.pk] for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)
