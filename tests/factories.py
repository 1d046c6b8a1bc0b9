"""Factory functions: the smallest real thing of each kind, with everything else defaulted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from netra.tokens import Tokens
from projects.models import ApiKey, Membership, Project, User
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, ProviderConnection, SupplyOption

PASSWORD = "correct horse battery"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def user(email: str, **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, **fields)


def project(slug: str = "agent", *, owner: User | None = None, **fields: Any) -> Project:
    made = Project.objects.create(slug=slug, name=fields.pop("name", slug.title()), **fields)
    if owner is not None:
        join(made, owner, Membership.Role.OWNER)
    return made


def join(where: Project, who: User, role: str) -> Membership:
    return Membership.objects.create(project=where, user=who, role=role)


def client(who: User) -> Client:
    """A browser in which the person is logged in."""
    made = Client()
    made.force_login(who)
    return made


def api_client(where: Project) -> Client:
    """A client that sends the project's API key."""
    _row, key = ApiKey.issue(where, "test", by=None)
    return Client(headers={"authorization": f"Bearer {key}"})


def chat_request(text: str = "What is 2 + 2?", *, model: str = "gpt-4o-mini", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def chat_response(text: str = "4", *, model: str = "gpt-4o-mini-2024-07-18", **fields: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(NOON.timestamp()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        **fields,
    }


def event(record_id: str = "r-1", **fields: Any) -> WorkloadEvent:
    """A plain successful chat call at noon."""
    given: dict[str, Any] = {
        "source": "upload",
        "source_record_id": record_id,
        "started_at": NOON,
        "provider": "openai",
        "requested_model": "gpt-4o-mini",
        "served_model": "gpt-4o-mini-2024-07-18",
        "request": chat_request(),
        "response": chat_response(),
        "stream": False,
        "http_status": 200,
        "outcome": Outcome.OK,
        "finish_reason": "stop",
        "duration_ms": 800.0,
        "tokens": Tokens(input_fresh=12, output_visible=3),
        "usage_origin": UsageOrigin.PROVIDER,
    }
    return WorkloadEvent(**given | fields)


def supply_option(name: str = "openai/gpt-x", **fields: Any) -> SupplyOption:
    """An option at 2 USD in and 8 USD out per million tokens, assumed since 2020; price=None: without a price."""
    price = fields.pop("price", {"input": "0.000002", "output": "0.000008"})
    provider, _, model = name.partition("/")
    made = SupplyOption.objects.create(name=name, provider=provider, model=model, **fields)
    if price is not None:
        option_price(made, price, since=ALWAYS_KNOWN_FROM, is_assumed=True)
    return made


def option_price(option: SupplyOption, rates: dict[str, Any], *, since: datetime, **fields: Any) -> OptionPrice:
    return OptionPrice.objects.create(option=option, rates=rates, effective_from=since, **{"source": "test", **fields})


def connection(
    project: Project | None = None, name: str = "openai", *, key: str = "sk-test-key-0123456789", **fields: Any
) -> ProviderConnection:
    made = ProviderConnection(project=project, name=name, **{"provider": "openai", **fields})
    made.set_key(key)
    made.save()
    return made
