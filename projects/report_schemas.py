"""What the API of saved views and of the digest takes and gives."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema
from pydantic import Field

from projects.models import Digest, SavedView
from projects.schemas import Strict


class SavedViewIn(Strict):
    """`page`: analytics, events, overview or cache; `query`: what stands behind that page's `?`."""

    name: str = Field(min_length=1, max_length=80)
    page: str = Field(max_length=20)
    query: str = Field(default="", max_length=8_000)
    is_shared: bool = False


class SavedViewOut(Schema):
    """`owner`: an e-mail address, null for an API key's. `path` opens it; `leads_to` is where it goes."""

    id: int
    name: str
    page: str
    query: str
    is_shared: bool
    owner: str | None
    path: str
    leads_to: str
    created_at: datetime

    @classmethod
    def of(cls, row: SavedView) -> SavedViewOut:
        told = {name: getattr(row, name) for name in ("id", "name", "page", "query", "is_shared", "created_at")}
        owner = None if row.owner is None else row.owner.email
        return cls(**told, owner=owner, path=row.get_absolute_url(), leads_to=row.target)


class DigestIn(Strict):
    """`cadence`: daily or weekly. An empty `webhook_url` posts nothing; `is_renewed` makes it a new secret."""

    cadence: str = Field(default="weekly", max_length=10)
    to_members: bool = True
    webhook_url: str = Field(default="", max_length=300)
    is_renewed: bool = False


class DigestOut(Schema):
    """`new_secret` is given once, when it is made. `sentence`: why the last try came to nothing."""

    cadence: str
    to_members: bool
    webhook_url: str
    sent_at: datetime | None
    sentence: str
    new_secret: str | None = None

    @classmethod
    def of(cls, row: Digest, new_secret: str | None = None) -> DigestOut:
        told = {name: getattr(row, name) for name in cls.model_fields if name != "new_secret"}
        return cls(**told, new_secret=new_secret)
