"""What the API of sources takes and gives; secrets go in and never come out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from projects.models import Source, SourceSync
from projects.schemas import ImportOut, Strict


class SourceIn(Strict):
    """`every_minutes` null: by hand only. `account`: Langfuse's public key, Portkey's workspace, OpenAI's project."""

    name: str = Field(min_length=1, max_length=60)
    kind: str = Field(max_length=20)
    base_url: str = Field(default="", max_length=300)
    account: str = Field(default="", max_length=200)
    secret: str = Field(min_length=1, max_length=4_096)
    history_days: int = 30
    every_minutes: int | None = 60
    is_enabled: bool = True

    def given(self) -> dict[str, Any]:
        return self.dict(exclude={"name", "kind"})


class SourcePatch(Strict):
    """What is left out stays; a new address needs the secret again."""

    base_url: str | None = Field(default=None, min_length=1, max_length=300)
    account: str | None = Field(default=None, max_length=200)
    secret: str | None = Field(default=None, min_length=1, max_length=4_096)
    history_days: int | None = None
    every_minutes: int | None = None
    is_enabled: bool | None = None

    def given(self) -> dict[str, Any]:
        """Null means nothing but for the schedule, where it means none."""
        told = self.dict(exclude_unset=True)
        return {name: value for name, value in told.items() if value is not None or name == "every_minutes"}


class SourceOut(Schema):
    name: str
    kind: str
    base_url: str
    account: str
    secret_shown: str
    history_days: int
    every_minutes: int | None
    is_enabled: bool
    n_failures: int
    synced_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: Source) -> SourceOut:
        return cls.model_validate(row, from_attributes=True)


class SyncIn(Strict):
    """One source by name, or all in use. `since`: everything from then on again, instead of what is new."""

    source: str | None = Field(default=None, max_length=60)
    since: datetime | None = None


class SyncOut(Schema):
    """One attempt; `ledger` is its import, whose state and sentence are the sync's.

    `n_expected` is the vendor's own total, null where it gives none; `is_reconciled` whether it agrees.
    """

    id: int
    source: str
    cause: str
    since: datetime | None
    until: datetime
    read_up_to: datetime | None
    share_done: float | None
    n_received: int
    n_checked: int
    n_expected: int | None
    is_reconciled: bool | None
    resume_at: datetime | None
    remarks: list[str]
    ledger: ImportOut

    @classmethod
    def of(cls, sync: SourceSync) -> SyncOut:
        plain = ("id", "cause", "since", "until", "share_done", "n_received", "n_checked", "n_expected")
        told = {name: getattr(sync, name) for name in (*plain, "is_reconciled", "resume_at", "remarks")}
        ledger = ImportOut.of(sync.taking)
        return cls(**told, source=sync.source.name, read_up_to=sync.window_until, ledger=ledger)
