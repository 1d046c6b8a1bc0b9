"""The project's diary: one line for each thing a person or key changed."""

from __future__ import annotations

from django.http import HttpRequest

from projects.models import AuditEntry, Project, User


def note(project: Project, action: str, sentence: str, *, request: HttpRequest | None = None) -> AuditEntry:
    """Write one line. `sentence` must hold no secret and no prompt."""
    actor, label = _actor(request)
    return AuditEntry.objects.create(project=project, actor=actor, actor_label=label, action=action, sentence=sentence)


def _actor(request: HttpRequest | None) -> tuple[User | None, str]:
    if request is None:
        return None, "command line"
    if getattr(request, "key_project", None) is not None:
        return None, f"API key {getattr(request, 'auth', '')}"
    user = request.user
    return (user, user.email) if isinstance(user, User) else (None, "unknown")
