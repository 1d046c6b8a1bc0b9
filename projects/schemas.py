"""What the API of the demand side takes and gives; unknown fields are refused, outputs are spelled out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field

from projects.models import ApiKey, Import, Project
from projects.previewing import Preview


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class ProjectIn(Strict):
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,58}$")
    name: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=5_000)
    incumbent: str = Field(default="", max_length=200)


class ProjectPatch(Strict):
    """What is left out stays. The last four are the owner's; `retention_days` null keeps events for good."""

    name: str | None = Field(default=None, min_length=1, max_length=120)
    description: str | None = Field(default=None, max_length=5_000)
    incumbent: str | None = Field(default=None, max_length=200)
    is_private: bool | None = None
    masks: list[str] | None = None
    masked_terms: list[str] | None = None
    retention_days: int | None = None


class ProjectOut(Schema):
    slug: str
    name: str
    description: str
    incumbent: str
    is_private: bool
    masks: list[str]
    masked_terms: list[str]
    retention_days: int | None
    is_simulated: bool
    created_at: datetime

    @classmethod
    def of(cls, project: Project) -> ProjectOut:
        return cls.model_validate(project, from_attributes=True)


class EventOut(Schema):
    """A row of the log; None = not known."""

    event_id: str
    version: int
    started_at: datetime
    is_start_known: bool
    purpose: str
    source: str
    provider: str | None
    requested_model: str | None
    served_model: str | None
    outcome: str
    http_status: int | None
    kind: str
    duration_ms: float | None
    ttft_ms: float | None
    cost_usd: Decimal | None
    cost_recorded_usd: Decimal | None
    flags: list[str]
    is_replayable: bool
    not_replayable: list[str]
    session_id: str | None
    user_id: str | None
    is_simulated: bool


class EventsOut(Schema):
    events: list[EventOut]
    after: str | None


class WholeEventOut(EventOut):
    request: dict[str, Any] | None
    response: dict[str, Any] | None
    usage_raw: dict[str, Any] | None
    metadata: dict[str, Any] | None
    tags: list[str]
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    provider_response_id: str | None
    operation: str
    stream: bool | None
    error_type: str | None
    finish_reason: str | None
    is_refusal: bool | None
    environment: str | None
    tokens: dict[str, int | None]
    price_source: str | None
    versions: list[int]


class ImportOut(Schema):
    """The ledger of one import."""

    id: int
    state: str
    sentence: str
    source: str
    format: str
    file_name: str
    created_at: datetime
    finished_at: datetime | None
    bytes_done: int
    bytes_total: int | None
    n_lines: int
    n_taken: int
    n_duplicate: int
    n_versioned: int
    n_merged: int
    n_skipped: int
    n_flagged: int
    n_rejected: int
    n_replayable: int
    flag_counts: dict[str, int]
    not_replayable_counts: dict[str, int]
    reject_counts: dict[str, int]

    @classmethod
    def of(cls, taking: Import) -> ImportOut:
        return cls.model_validate(taking, from_attributes=True)


class FormatIn(Strict):
    format: str = Field(max_length=30)


class GuessOut(Schema):
    name: str
    title: str
    n_records: int


class PreviewRowOut(Schema):
    """One of the first records as it would be taken, or why it would not be."""

    line_number: int
    is_call: bool
    started_at: datetime | None = None
    model: str | None = None
    outcome: str | None = None
    n_input: int | None = None
    n_output: int | None = None
    cost_recorded_usd: Decimal | None = None
    is_replayable: bool | None = None
    sentence: str


class PreviewOut(Schema):
    """What a file seems to be. `guesses` are the formats that recognise any of its first records."""

    format: str
    title: str
    sentence: str
    n_records: int
    is_certain: bool
    guesses: list[GuessOut]
    rows: list[PreviewRowOut]

    @classmethod
    def of(cls, preview: Preview) -> PreviewOut:
        return cls.model_validate(preview, from_attributes=True)


class LineOut(Schema):
    line_number: int
    outcome: str
    code: str
    sentence: str
    event_id: str


class KeyIn(Strict):
    name: str = Field(min_length=1, max_length=80)


class KeyOut(Schema):
    id: int
    name: str
    shown_prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyOut:
        return cls.model_validate(key, from_attributes=True)


class NewKeyOut(KeyOut):
    key: str


class MemberIn(Strict):
    email: str = Field(max_length=254)
    role: str = Field(pattern="^(owner|member|viewer)$")


class MemberOut(Schema):
    email: str
    role: str
