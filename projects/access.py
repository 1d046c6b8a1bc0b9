"""Permission is a look-up: the only way to a project is the function that checks access."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from netra.errors import Forbidden
from projects.models import Membership, Project, User

WRITERS = (Membership.Role.OWNER, Membership.Role.MEMBER)


def readable(request: HttpRequest, slug: str) -> Project:
    """The project, if the person or the API key may see it; else 404, as if it were not there."""
    key_project = getattr(request, "key_project", None)
    if key_project is not None:
        if key_project.slug != slug:
            raise Http404("There is no such project.")
        return key_project  # type: ignore[no-any-return]
    return _for_user(request, slug)


def writable(request: HttpRequest, slug: str) -> Project:
    """The project, if it may be changed: 404 for strangers, Forbidden for viewers."""
    project = readable(request, slug)
    if getattr(request, "key_project", None) is None and _role(request, project) not in WRITERS:
        raise Forbidden("You may look at this project, but not change it.")
    return project


def owned(request: HttpRequest, slug: str) -> Project:
    """The project, if the person owns it: members, keys, provider credentials and deletion are the owner's."""
    project = readable(request, slug)
    if getattr(request, "key_project", None) is not None or _role(request, project) != Membership.Role.OWNER:
        raise Forbidden("Only an owner of this project may do that.")
    return project


def is_owner(request: HttpRequest, project: Project) -> bool:
    """For pages that show owners more; what owners may do is checked by `owned`."""
    return _role(request, project) == Membership.Role.OWNER


def visible_projects(request: HttpRequest) -> list[Project]:
    """All projects the person may see."""
    key_project = getattr(request, "key_project", None)
    if key_project is not None:
        return [key_project]
    return list(Project.objects.readable_by(_user(request)))


def by_slug(slug: str) -> Project:
    """For the command line, whose user owns the machine. Raises Http404."""
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        raise Http404(f"There is no project {slug!r}.")
    return found


def _for_user(request: HttpRequest, slug: str) -> Project:
    user = request.user
    if not user.is_authenticated or "\0" in slug:  # which PostgreSQL cannot be asked for
        raise Http404("There is no such project.")
    found = Project.objects.readable_by(_user(request)).filter(slug=slug).first()
    if found is None:
        raise Http404("There is no such project.")
    return found


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _role(request: HttpRequest, project: Project) -> str | None:
    user = _user(request)
    if user.is_staff:
        return Membership.Role.OWNER
    return Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
