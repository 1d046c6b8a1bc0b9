"""What the API tells of the prompt cache. Rates are shares of input tokens in [0, 1]; None = not known."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from ninja import Schema

from projects.cache_report import Report
from projects.cache_reuse.advice import Advice
from projects.cache_reuse.slots import Slot


class SampleOut(Schema):
    since: datetime
    until: datetime
    sampled_from: datetime | None
    n_calls: int
    n_in_window: int
    n_left_out: int
    is_whole: bool
    has_private: bool
    n_sessions: int
    input_tokens: int
    n_token_counts: int
    chars_a_token: float
    is_scale_assumed: bool
    block_tokens: int
    n_different_blocks: int


class RatesOut(Schema):
    unlimited: float | None
    within_session: float | None
    at_provider: float | None
    reported: float | None
    n_reported: int


class SizeOut(Schema):
    n_blocks: int
    rate: float | None
    gb: float | None


class LifetimeOut(SizeOut):
    name: str
    seconds: float


class RuleOut(Schema):
    name: str
    title: str
    n_named: int
    busiest: float | None
    rate: float | None


class WayOut(Schema):
    model: str
    charging: str
    marks: str
    lifetime: str
    read_tokens: int
    written_tokens: int
    usd: Decimal | None
    n_calls: int
    is_chosen: bool


class BillOut(Schema):
    """USD of the sample's input, over the `n_known` calls whose prices and tokens are known."""

    n_calls: int
    n_known: int
    uncached_usd: Decimal | None
    paid_usd: Decimal | None
    cached_usd: Decimal | None
    saved_usd: Decimal | None
    saved_in_window_usd: Decimal | None


class SwitchOut(Schema):
    model: str
    n_calls: int
    n_warm: int
    warm_tokens: int | None
    lost_usd: Decimal | None


class SessionOut(Schema):
    session: str
    n_calls: int
    tokens: int
    own_rate: float | None
    rate: float | None


class StretchOut(Schema):
    depth: int
    model: str
    role: str
    snippet: str
    begin_tokens: int
    tokens: int
    n_calls: int
    n_sessions: int
    n_parted: int
    saved_tokens: int


class SlotOut(Schema):
    kind: str
    at_char: int
    before: str
    after: str
    n_values: int
    example: str

    @classmethod
    def of(cls, slot: Slot) -> SlotOut:
        return cls.model_validate(slot, from_attributes=True)


class CostOut(Schema):
    name: str
    usd: Decimal | None


class AdviceOut(Schema):
    code: str
    title: str
    sentence: str
    n_calls: int
    tokens: int | None
    saved_usd: Decimal | None
    saved_in_window_usd: Decimal | None
    slots: list[SlotOut]
    costs: list[CostOut]

    @classmethod
    def of(cls, advice: Advice, in_window: Decimal | None) -> AdviceOut:
        return cls(
            code=advice.code,
            title=advice.title,
            sentence=advice.sentence,
            n_calls=advice.n_calls,
            tokens=advice.tokens,
            saved_usd=advice.saved_usd,
            saved_in_window_usd=in_window,
            slots=[SlotOut.of(slot) for slot in advice.slots],
            costs=[CostOut(name=name, usd=usd) for name, usd in advice.facts],
        )


class CacheOut(Schema):
    sample: SampleOut
    rates: RatesOut
    bill: BillOut
    memory_shape: str | None
    memory_gb: float | None
    by_size: list[SizeOut]
    by_lifetime: list[LifetimeOut]
    by_server_rule: list[RuleOut]
    by_way: list[WayOut]
    switches: list[SwitchOut]
    sessions: list[SessionOut]
    tree: list[StretchOut]
    advice: list[AdviceOut]

    @classmethod
    def of(cls, told: Report) -> CacheOut:
        found, bill = told.found, told.found.bill
        sample = {name: getattr(told, name) for name in _OF_SAMPLE} | {name: getattr(found, name) for name in _OF_FOUND}
        return cls(
            sample=SampleOut(**sample, block_tokens=told.asked.block_tokens),
            rates=RatesOut.model_validate(found, from_attributes=True),
            bill=BillOut(
                **{name: getattr(bill, name) for name in _OF_BILL}, saved_in_window_usd=told.in_window(bill.saved_usd)
            ),
            memory_shape=found.shape,
            memory_gb=found.gb,
            by_size=[SizeOut(**row) for row in found.by_size],
            by_lifetime=[LifetimeOut(**row) for row in found.by_lifetime],
            by_server_rule=[RuleOut(**row) for row in found.by_rule],
            by_way=[WayOut(**row) for row in found.by_way],
            switches=[SwitchOut(**row) for row in found.switches],
            sessions=[SessionOut(**row) for row in found.sessions],
            tree=[StretchOut(**row) for row in found.tree],
            advice=[AdviceOut.of(each, in_window) for each, in_window in told.advice()],
        )


_OF_SAMPLE = ("since", "until", "sampled_from", "n_in_window", "n_left_out", "is_whole", "has_private")
_OF_BILL = ("n_calls", "n_known", "uncached_usd", "paid_usd", "cached_usd", "saved_usd")
_OF_FOUND = (
    *("n_calls", "n_sessions", "input_tokens", "n_token_counts", "chars_a_token", "is_scale_assumed"),
    "n_different_blocks",
)
