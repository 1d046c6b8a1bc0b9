"""Answers of upstreams: whether they are answers at all, and what they used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra import llm
from netra.errors import ProviderFailed
from netra.tokens import Tokens
from projects.ingest import usage as reported
from projects.ingest.verdicts import Rejected
from projects.workloads import Outcome, UsageOrigin
from routing.calls import OptionTarget
from routing.demand import CHARS_PER_TOKEN, describe
from routing.gateway.planning import Plan

CHAT = "/v1/chat/completions"


def check(path: str, target: OptionTarget, answer: Mapping[str, Any]) -> None:
    """Refuse a 200 that holds no answer of its kind."""
    if path == CHAT:
        llm.check_whole(target.destination, answer)
        return
    wanted = "data" if path == "/v1/embeddings" else "output"
    if not isinstance(answer.get(wanted), list):
        sentence = f"The provider's answer holds no {wanted}."
        raise ProviderFailed(sentence, http_status=200, retry=True, paid=None, code="malformed")


def tokens_of(usage: Any, plan: Plan, answer: Mapping[str, Any] | None, outcome: str) -> tuple[Tokens, str]:
    """Counts as reported; for a stream that ended early, estimates of what had been used by then."""
    if isinstance(usage, dict):
        try:
            return reported.buckets(usage)[0], UsageOrigin.PROVIDER
        except Rejected:  # counts that contradict themselves are no counts
            return Tokens(), UsageOrigin.MISSING
    if outcome == Outcome.OK or answer is None:
        return Tokens(), UsageOrigin.MISSING
    written = sum(len(str((choice.get("message") or {}).get("content") or "")) for choice in answer.get("choices", ()))
    asked, said = describe(plan.asked.body).input_tokens, round(written / CHARS_PER_TOKEN)
    return Tokens(input_fresh=asked, output_visible=said), UsageOrigin.GATEWAY_ESTIMATE
