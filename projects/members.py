"""Who belongs to a project."""

from __future__ import annotations

from django.forms import Form

from netra.errors import Conflict, Invalid, NetraError, NotFound
from projects.models import Membership, Project, User


def add(project: Project, email: str, role: str) -> Membership:
    """Add a person, or change what they may do. Raises Invalid when nobody has that address."""
    person = User.objects.filter(email=email.strip().lower()).first()
    if person is None:
        raise Invalid("Nobody with this address has an account here; ask them to sign up first.", field="email")
    found = Membership.objects.filter(project=project, user=person).first()
    if found is not None and found.role == Membership.Role.OWNER and role != Membership.Role.OWNER:
        _keep_an_owner(project)
    membership, _ = Membership.objects.update_or_create(project=project, user=person, defaults={"role": role})
    return membership


def tried(form: Form, project: Project) -> bool:
    """Add the person a form names; what cannot be becomes the form's error."""
    try:
        add(project, form.cleaned_data["email"], form.cleaned_data["role"])
    except NetraError as problem:
        form.add_error("email", str(problem))
        return False
    return True


def remove(project: Project, email: str) -> None:
    """Take a person out. Raises NotFound, and Conflict for the last owner."""
    found = Membership.objects.filter(project=project, user__email=email.strip().lower()).first()
    if found is None:
        raise NotFound("This person is not a member.")
    if found.role == Membership.Role.OWNER:
        _keep_an_owner(project)
    found.delete()


def _keep_an_owner(project: Project) -> None:
    if Membership.objects.filter(project=project, role=Membership.Role.OWNER).count() < 2:
        raise Conflict("A project needs at least one owner; make someone else an owner first.")
