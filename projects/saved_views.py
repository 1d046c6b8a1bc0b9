"""Questions kept under a name: what may be kept, who sees it, and who may take it away."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from django.db import IntegrityError, transaction

from netra.errors import Conflict, Forbidden, Invalid, NotFound
from netra.templatetags.texts import one_line
from projects.models import Project, SavedView, User

MAX_QUERY_CHARS = 4_000
MAX_FIELDS = 200
MOST_A_PROJECT = 1_000
# Not part of the question: the place in a list, the kind of file, the form's own token.
_DROPPED = frozenset({"after", "before", "format", "csrfmiddlewaretoken"})


def save(
    project: Project, *, by: User | None, name: str, page: str, query: str = "", is_shared: bool = False
) -> SavedView:
    """Keep a question. Without a person (an API key) it is shared. Raises Invalid, and Conflict for a name in use."""
    told = one_line(name, 81).strip()
    if not told or len(told) > 80:
        raise Invalid("A view's name has 1 to 80 characters.", field="name")
    if page not in SavedView.Page.values:
        raise Invalid(f"A view is of one of these pages: {', '.join(SavedView.Page.values)}.", field="page")
    row = SavedView(project=project, owner=by, name=told, page=page, query=checked(query))
    row.is_shared = is_shared or by is None
    _check_room(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise _taken(told) from None
    return row


def _check_room(row: SavedView) -> None:
    """The database does not hold rows without an owner apart by name."""
    mine = SavedView.objects.filter(project=row.project)
    if mine.filter(owner=row.owner, name=row.name).exists():
        raise _taken(row.name)
    if mine.count() >= MOST_A_PROJECT:
        raise Conflict(f"A project keeps {MOST_A_PROJECT:,} views at most; remove one first.", code="too_many_views")


def _taken(name: str) -> Conflict:
    return Conflict(f"You already have a view named {name}.", code="name_taken")


def checked(query: str) -> str:
    """A query string, taken apart and written anew, so that nothing in it can be more than that. Raises Invalid."""
    try:
        pairs = parse_qsl(query.strip().removeprefix("?"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Invalid(f"A question has at most {MAX_FIELDS} parts.", field="query") from None
    asked = [(name, value.encode("utf-8", "replace")) for name, value in pairs if name not in _DROPPED and value]
    written = urlencode([(name.encode("utf-8", "replace"), value) for name, value in asked])
    if len(written) > MAX_QUERY_CHARS:
        raise Invalid(f"The question is longer than {MAX_QUERY_CHARS:,} characters.", field="query")
    return written


def seen(project: Project, by: User | None) -> list[SavedView]:
    """Shared ones and one's own."""
    found = SavedView.objects.select_related("project", "owner").filter(project=project)
    return list(found.seen_by(None if by is None else by.pk))


def find(project: Project, pk: int, by: User | None) -> SavedView:
    """Raises NotFound; what another keeps for themselves is not there."""
    found = next((row for row in seen(project, by) if row.pk == pk), None)
    if found is None:
        raise NotFound("There is no such view in this project.")
    return found


def may_remove(row: SavedView, by: User | None, *, is_owner: bool) -> bool:
    """`is_owner`: of the project. One's own, and an owner any that is shared."""
    return is_owner or row.owner_id == (None if by is None else by.pk)


def remove(row: SavedView, by: User | None, *, is_owner: bool) -> None:
    """Raises Forbidden."""
    if not may_remove(row, by, is_owner=is_owner):
        raise Forbidden("Only who saved this view, or an owner of the project, may remove it.")
    row.delete()
