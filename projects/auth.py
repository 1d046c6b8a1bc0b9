"""Who is asking the API: a project's key, or a person's session."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer, SessionAuth

from netra import vault
from projects.models import ApiKey

STALE = timedelta(minutes=1)


class ProjectKey(HttpBearer):
    """`Authorization: Bearer netra_…`; sets `request.key_project`, which `access` reads."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        key = ApiKey.objects.live().select_related("project").filter(fingerprint=vault.fingerprint(token)).first()
        if key is None:
            return None
        note_use(key)
        request.key_project = key.project  # type: ignore[attr-defined]
        return key


def basic_password(told: str) -> str:
    """Langfuse's senders give a public key as user and a secret key as password: ours is the password."""
    try:
        return base64.b64decode(told.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def note_use(key: ApiKey) -> None:
    """Once a minute at most: a write per request would be the busiest table of all."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > STALE:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


class Session(SessionAuth):
    """Whoever is not logged in needs a key, and has no use for being told of forms from another site."""

    def _get_key(self, request: HttpRequest) -> Any:
        return super()._get_key(request) if request.user.is_authenticated else None


either = [ProjectKey(), Session(csrf=True)]
