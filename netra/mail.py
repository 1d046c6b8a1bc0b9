"""The mail server as one address, such as smtp+tls://user:password@mail.example.com. Pure: settings read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SMTP = "django.core.mail.backends.smtp.EmailBackend"
CONSOLE = "django.core.mail.backends.console.EmailBackend"
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """`smtp` in the clear, `smtp+tls` with STARTTLS, `smtps` encrypted from the start; console without an address."""

    backend: str = CONSOLE
    host: str = ""
    port: int = 25
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    starts_tls: bool = False
    is_encrypted: bool = False


def server(url: str) -> MailServer:
    """Raises ValueError for what is no such address; the sentence does not repeat it, for it may hold a password."""
    if not url:
        return MailServer()
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(
            f"EMAIL_URL must begin with one of {', '.join(f'{each}://' for each in PORTS)} and name a host."
        )
    return MailServer(
        SMTP,
        parts.hostname,
        parts.port or PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_encrypted=parts.scheme == "smtps",
    )
