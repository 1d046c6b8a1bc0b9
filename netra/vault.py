"""Secrets at rest: provider keys are encrypted, API keys only hashed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from netra.errors import Unavailable


def _fernet() -> Fernet:
    digest = hashlib.sha256(settings.ENCRYPTION_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def seal(secret: str) -> str:
    """Encrypt a secret for the database."""
    return _fernet().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt; raises Unavailable when the encryption key is not the one it was sealed with."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unavailable("A stored key cannot be decrypted: NETRA_ENCRYPTION_KEY has changed.") from None


def new_key(prefix: str) -> str:
    """A fresh API key, 256 bits of it random."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def fingerprint(key: str) -> str:
    """What is stored of an API key. A plain hash is enough: the key itself is random, not a password."""
    return hashlib.sha256(key.encode()).hexdigest()


def keyed_hash(text: str, *, purpose: str) -> str:
    """A hash only this installation can make, for identities that must match but not be guessed."""
    return hmac.new(f"{purpose}:{settings.ENCRYPTION_KEY}".encode(), text.encode(), hashlib.sha256).hexdigest()
