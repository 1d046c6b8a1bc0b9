"""What is sent: the logged requests of the sample, a few at a time, and what an earlier worker did with them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.asking import answer_text
from evaluation.ledger import Ledger
from evaluation.models import Judgement, PaidCall, PairwiseJudgement, ReplayCall, SampledPrompt
from projects import log

CHUNK = 96
AS_SENT = "as_sent"
GONE = "The logged call is no longer there, or its request was not kept."


@dataclass(slots=True)
class Sent:
    """One prompt with its request as it is replayed, and the rows that were finished before."""

    prompt: SampledPrompt
    request: Mapping[str, Any]
    calls: dict[str, ReplayCall] = field(default_factory=dict)
    judgements: dict[int, list[Judgement]] = field(default_factory=dict)
    compared: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Material:
    """Requests by place in the sample, read from the log in chunks and forgotten when handed out."""

    project_id: int
    run_id: int
    policy: Mapping[str, Any]
    ledger: Ledger
    _expected: Sequence[int] = ()
    _read: dict[int, Sent | None] = field(default_factory=dict)
    _next: int = 0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def expect(self, positions: Sequence[int]) -> None:
        """Say which prompts will be asked for next, in their order."""
        self._expected, self._next = positions, 0

    async def of(self, position: int) -> Sent | None:
        """The material of one prompt; None when its event is gone. Each may be asked for once, about in order."""
        async with self._reading:
            while position not in self._read:
                chunk = self._expected[self._next : self._next + CHUNK]
                self._next += CHUNK
                self._read |= await self.ledger.in_thread(lambda wanted=chunk: self._load(wanted))  # type: ignore[misc]
        return self._read.pop(position)

    def _load(self, positions: Sequence[int]) -> dict[int, Sent | None]:
        if not positions:
            raise LookupError("a prompt was asked for that is not in the sample")
        prompts = {row.position: row for row in SampledPrompt.objects.filter(run=self.run_id, position__in=positions)}
        logged = log.requests(self.project_id, [row.event_id for row in prompts.values()])
        found = {place: self._sent(row, logged.get(row.event_id)) for place, row in prompts.items()}
        present = [sent for sent in found.values() if sent is not None]
        _note_requests(present)
        ReplayCall.objects.bulk_create(
            [recorded(sent.prompt, logged[sent.prompt.event_id]) for sent in present]
            + [gone(prompts[place]) for place, sent in found.items() if sent is None],
            ignore_conflicts=True,
        )
        _add_finished(self.run_id, present)
        return found

    def _sent(self, prompt: SampledPrompt, event: Mapping[str, Any] | None) -> Sent | None:
        if event is None or not isinstance(event.get("request"), Mapping):
            return None
        return Sent(prompt, as_sent(event["request"], self.policy))


def as_sent(request: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """The request exactly as it was logged, less the model; temperature and seed as the run's policy says."""
    body = {name: value for name, value in request.items() if name != "model"}
    for name in ("temperature", "seed"):
        wanted = policy.get(name, AS_SENT)
        if wanted != AS_SENT:
            body[name] = wanted
    if body.get("stream"):  # or the answer would come without the usage that its cost is reckoned from
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
    return body


def _note_requests(sent: Sequence[Sent]) -> None:
    for each in sent:
        canonical = json.dumps(each.request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        each.prompt.content_hash = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    SampledPrompt.objects.bulk_update([each.prompt for each in sent], ["content_hash"])


def recorded(prompt: SampledPrompt, event: Mapping[str, Any]) -> ReplayCall:
    """The lane that costs nothing: what was answered when it happened. Shown beside the others, not compared."""
    cost = event["cost_usd"]
    return ReplayCall(
        call_key=f"run-{prompt.run_id}-{prompt.position}-recorded",
        state=PaidCall.State.DONE,
        run_id=prompt.run_id,
        prompt=prompt,
        lane=ReplayCall.LaneName.RECORDED,
        option=(event["served_model"] or event["requested_model"] or "")[:200],
        cost_usd=cost,
        latency_ms=event["duration_ms"],
        text=answer_text(event["response"]),
        finish_reason=(event["finish_reason"] or "")[:40],
        is_refusal=event["is_refusal"],
        served_model=(event["served_model"] or "")[:200],
        event_id=event["event_id"],
    )


def gone(prompt: SampledPrompt) -> ReplayCall:
    return ReplayCall(
        call_key=f"run-{prompt.run_id}-{prompt.position}-0",
        state=PaidCall.State.INTERRUPTED,
        run_id=prompt.run_id,
        prompt=prompt,
        lane=ReplayCall.LaneName.INCUMBENT,
        option=prompt.run.incumbent,
        error_code="event_gone",
        error=GONE,
    )


def _add_finished(run_id: int, sent: Sequence[Sent]) -> None:
    """What an earlier worker finished for these prompts, so that nothing is asked twice."""
    by_prompt = {each.prompt.pk: each for each in sent}
    calls = ReplayCall.objects.filter(run=run_id, prompt__in=by_prompt).exclude(lane=ReplayCall.LaneName.RECORDED)
    owner = {}
    for call in calls:
        owner[call.pk] = by_prompt[call.prompt_id]
        by_prompt[call.prompt_id].calls[call.option] = call
    for judgement in Judgement.objects.filter(call__in=owner):
        owner[judgement.call_id].judgements.setdefault(judgement.call_id, []).append(judgement)
    for call_id in PairwiseJudgement.objects.filter(candidate_call__in=owner).values_list("candidate_call", flat=True):
        owner[call_id].compared.add(call_id)
