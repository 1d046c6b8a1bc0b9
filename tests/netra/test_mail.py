"""The mail server as one address."""

from __future__ import annotations

import pytest

from netra.mail import CONSOLE, server


def test_without_an_address_messages_are_printed() -> None:
    assert server("").backend == CONSOLE


@pytest.mark.parametrize(
    ("url", "port", "starts_tls", "is_encrypted"),
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp+tls://mail.example", 587, True, False),
        ("smtps://mail.example", 465, False, True),
        ("smtp://mail.example:2525", 2525, False, False),
    ],
)
def test_the_scheme_says_how_it_is_encrypted(url: str, port: int, starts_tls: bool, is_encrypted: bool) -> None:
    found = server(url)
    assert (found.host, found.port, found.starts_tls, found.is_encrypted) == (
        "mail.example",
        port,
        starts_tls,
        is_encrypted,
    )


def test_a_password_is_unquoted_and_never_shown() -> None:
    found = server("smtp+tls://me%40here:p%2Fw@mail.example")
    assert (found.user, found.password) == ("me@here", "p/w") and "p/w" not in repr(found)


@pytest.mark.parametrize("url", ["http://u:canary@x", "smtp://", "yes"])
def test_what_is_no_mail_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="EMAIL_URL must begin") as refused:
        server(url)
    assert "canary" not in str(refused.value)
