"""Make a project, and give it an owner."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from projects.models import Membership, Project, User


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", default="")
        parser.add_argument("--owner", default="", help="e-mail address of someone who has an account")
        parser.add_argument("--incumbent", default="", help="the supply option in use today")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        project = Project(slug=slug, name=options["name"] or slug, incumbent=options["incumbent"])
        owner = self._owner(options["owner"])
        try:
            project.full_clean()
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from problem
        project.save()
        if owner is not None:
            Membership.objects.create(project=project, user=owner, role=Membership.Role.OWNER)
        self.stdout.write(f"Project {slug!r} is ready.")

    @staticmethod
    def _owner(email: str) -> User | None:
        if not email:
            return None
        found = User.objects.filter(email=email.lower()).first()
        if found is None:
            raise CommandError(f"Nobody with the address {email!r} has an account here.")
        return found
