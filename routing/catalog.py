"""The supply catalog as the product reads it: options by name, and the price book that ingest prices events with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Max

from netra.errors import NotFound
from projects.models import Project
from routing.models import OptionPrice, SupplyOption
from routing.price_book import DatedPrices, Listed, ListedPrice, Names

_lock = threading.Lock()
_shared: tuple[Any, Names] | None = None
_books: dict[int, tuple[Any, DatedPrices]] = {}
BOOKS_KEPT = 200


def option(name: str, project: Project | None = None) -> SupplyOption:
    """An option by its name, as a project sees it. Raises NotFound."""
    found = SupplyOption.objects.named(name, project)
    if found is None:
        raise NotFound(f"There is no supply option {name[:200]!r} in the catalog.")
    return found


def price_book(project_id: int) -> DatedPrices:
    """The prices that hold for a project now: a snapshot, rebuilt when options or prices changed (two small queries).

    Building it reads the whole catalog once a process and change (about 0.1 s); a project adds only its own rows.
    """
    stamp = _stamp()
    with _lock:
        kept = _books.get(project_id)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        made = DatedPrices(_shared_names(stamp), Names.of(_own_options(project_id)), _negotiated(project_id))
        if len(_books) >= BOOKS_KEPT:
            _books.clear()
        _books[project_id] = (stamp, made)
        return made


def _stamp() -> tuple[Any, ...]:
    """Differs after any change: price rows are only ever added, options carry the time of their last edit."""
    prices = OptionPrice.objects.aggregate(n=Count("id"), last=Max("id"), at=Max("created_at"))
    options = SupplyOption.objects.aggregate(n=Count("id"), last=Max("id"), at=Max("updated_at"))
    return (*prices.values(), *options.values())


def _shared_names(stamp: Any) -> Names:
    global _shared
    if _shared is None or _shared[0] != stamp:
        _shared = (stamp, Names.of(_listed(SupplyOption.objects.filter(project=None))))
    return _shared[1]


def _own_options(project_id: int) -> Iterable[Listed]:
    return _listed(SupplyOption.objects.filter(project_id=project_id))


def _listed(options: Any) -> Iterable[Listed]:
    rows: dict[int, list[ListedPrice]] = {}
    # A project's own option has rows with that project set or not; both are its list price.
    wanted = OptionPrice.objects.filter(option__in=options.values("pk"), project=None)
    for option_id, row in _price_rows(wanted):
        rows.setdefault(option_id, []).append(row)
    columns = ("pk", "name", "provider", "model", "aliases", "source")
    for pk, name, provider, model, aliases, source in options.values_list(*columns):
        is_own = not source.startswith("litellm")
        yield Listed(name, provider, model, tuple(map(str, aliases)), is_own, tuple(rows.get(pk, ())))


def _negotiated(project_id: int) -> dict[str, tuple[ListedPrice, ...]]:
    wanted = OptionPrice.objects.filter(project_id=project_id)
    names = dict(wanted.values_list("option_id", "option__name"))
    rows: dict[str, list[ListedPrice]] = {}
    for option_id, row in _price_rows(wanted):
        rows.setdefault(names[option_id], []).append(row)
    return {name: tuple(each) for name, each in rows.items()}


def _price_rows(wanted: Any) -> Iterable[tuple[int, ListedPrice]]:
    """Rising by date; of rows with one date the later written comes later, and so wins."""
    columns = ("option_id", "effective_from", "rates", "source", "is_assumed")
    for option_id, since, rates, source, is_assumed in wanted.order_by("effective_from", "id").values_list(*columns):
        yield option_id, ListedPrice(since, rates, source, is_assumed)
