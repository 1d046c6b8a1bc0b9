"""API of the prompt cache."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Query, Router, Schema

from projects import access, cache_report, cache_sample
from projects.auth import either
from projects.cache_report import Question
from projects.cache_reuse.findings import Asked
from projects.cache_schemas import CacheOut

router = Router(auth=either)


class CacheQuery(Schema):
    """Which calls, and how a cache is thought of. The window ends at `until`, else at the newest call."""

    days: int = cache_sample.DAYS
    until: datetime | None = None
    session_id: str | None = None
    calls: int = cache_sample.CALLS
    block_tokens: int = Asked().block_tokens
    servers: int = Asked().n_servers
    minimum_tokens: int = Asked().minimum_tokens
    shape: str | None = None

    def question(self) -> Question:
        asked = Asked(self.block_tokens, self.servers, self.minimum_tokens, self.shape)
        return Question(days=self.days, until=self.until, session_id=self.session_id, max_calls=self.calls, asked=asked)


@router.get("/analytics/{slug}/cache", response=CacheOut, summary="What a prompt cache could answer")
def prompt_cache(request: HttpRequest, slug: str, query: Query[CacheQuery]) -> CacheOut:
    project = access.readable(request, slug)
    return CacheOut.of(cache_report.report(project, query.question()))
