"""The demand side's nouns: people, projects, keys, imports and what became of each line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.urls import reverse
from django.utils import timezone

from netra import vault
from projects.kind_models import EmbeddingDay as EmbeddingDay
from projects.kind_models import KindFit as KindFit
from projects.kind_models import KindMember as KindMember
from projects.kind_models import WorkKind as WorkKind
from projects.report_models import Digest as Digest
from projects.report_models import SavedView as SavedView
from projects.source_models import Source as Source
from projects.source_models import SourceSync as SourceSync


class UserManager(BaseUserManager["User"]):
    """People are known by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    number_format = models.CharField(max_length=20, blank=True, default="", help_text="A style of netra/numbers.py.")

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.email


class ProjectQuerySet(models.QuerySet["Project"]):
    def readable_by(self, user: User) -> Self:
        """Projects the user is a member of; staff see all."""
        return self if user.is_staff else self.filter(memberships__user=user).distinct()


class Project(models.Model):
    """Exactly one AI agent."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    incumbent = models.CharField(
        max_length=200, blank=True, help_text="Name of the supply option in use today, for instance openai/gpt-4o."
    )
    is_private = models.BooleanField(
        default=False, help_text="Privacy mode: only keyed hashes of prompts and answers are kept."
    )
    masks = models.JSONField(default=list, blank=True, help_text="Kinds of personal data masked at the door.")
    masked_terms = models.JSONField(default=list, blank=True, help_text="Words masked at the door, as they are.")
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Events older than this are deleted; empty keeps them."
    )
    is_simulated = models.BooleanField(default=False, help_text="Its traffic comes from the simulated world.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("projects:overview", args=[self.slug])


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", "Owner: may change everything"
        MEMBER = "member", "Member: may look, import and evaluate"
        VIEWER = "viewer", "Viewer: may look"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project", "user"), name="one_membership_each"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.project} ({self.role})"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> Self:
        return self.filter(revoked_at=None)


class ApiKey(models.Model):
    """A project's key for the API; the key itself is shown once and only its hash is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    shown_prefix = models.CharField(max_length=16)
    fingerprint = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.shown_prefix}…)"

    @classmethod
    def issue(cls, project: Project, name: str, *, by: User | None) -> tuple[ApiKey, str]:
        """Make a key; returns the row and the key, which cannot be had again."""
        key = vault.new_key("netra")
        row = cls.objects.create(
            project=project, name=name, shown_prefix=key[:12], fingerprint=vault.fingerprint(key), created_by=by
        )
        return row, key

    def revoke(self, *, at: datetime | None = None) -> None:
        self.revoked_at = at or timezone.now()
        self.save(update_fields=["revoked_at"])


class ImportQuerySet(models.QuerySet["Import"]):
    def unfinished(self) -> Self:
        """Files still to be taken in. The ledger of a sync is looked after by its sync."""
        return self.filter(state__in=(Import.State.QUEUED, Import.State.RUNNING), sync=None)


class Import(models.Model):
    """One file taken in, with its ledger: what was taken, merged, versioned, flagged, rejected."""

    class State(models.TextChoices):
        ASKING = "asking", "Waiting for you"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    source = models.CharField(max_length=30, default="upload")
    format = models.CharField(max_length=30, blank=True, help_text="Detected from content.")
    file_name = models.CharField(max_length=255, blank=True)
    file_path = models.CharField(max_length=500, blank=True)
    is_push = models.BooleanField(default=False, help_text="What a sender pushed on one day, not a file.")
    is_file_ours = models.BooleanField(default=False, help_text="Uploaded copy, deleted when done.")
    sealed_key = models.TextField(blank=True, editable=False, help_text="Of the uploaded copy, which is encrypted.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    sentence = models.TextField(blank=True, help_text="Why it was refused or failed.")
    started_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    last_line = models.BigIntegerField(default=0, help_text="Where to go on after an interruption.")
    n_lines = models.BigIntegerField(default=0)
    n_taken = models.BigIntegerField(default=0)
    n_duplicate = models.BigIntegerField(default=0)
    n_versioned = models.BigIntegerField(default=0)
    n_merged = models.BigIntegerField(default=0, help_text="Calls another product had told of already.")
    n_flagged = models.BigIntegerField(default=0)
    n_rejected = models.BigIntegerField(default=0)
    n_skipped = models.BigIntegerField(default=0)
    n_replayable = models.BigIntegerField(default=0)
    flag_counts = models.JSONField(default=dict)
    not_replayable_counts = models.JSONField(default=dict)
    reject_counts = models.JSONField(default=dict)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.file_name or self.source} into {self.project}"

    def get_absolute_url(self) -> str:
        return reverse("projects:import", args=[self.project.slug, self.pk])

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)

    @property
    def share_done(self) -> float | None:
        """Of the bytes, in [0, 1]; None while the size is unknown."""
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else None


class ImportLine(models.Model):
    """A line worth telling about: rejected, flagged, merged or a new version. Taken lines are only counted."""

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        FLAGGED = "flagged", "Flagged"
        VERSIONED = "versioned", "New version"
        MERGED = "merged", "Merged"
        DUPLICATE = "duplicate", "Duplicate"
        SKIPPED = "skipped", "Not a call"

    of_import = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="lines")
    line_number = models.BigIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    code = models.CharField(max_length=60, help_text="Reason or flag.")
    sentence = models.TextField()
    event_id = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ("line_number", "id")
        indexes = (models.Index(fields=("of_import", "outcome", "line_number")),)

    def __str__(self) -> str:
        return f"line {self.line_number}: {self.sentence}"


class AuditEntry(models.Model):
    """Who did what to a project, and when; never edited."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="audit_entries")
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_label = models.CharField(max_length=200, help_text="Kept readable after the person is gone.")
    action = models.CharField(max_length=60)
    sentence = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_label}: {self.sentence}"


class Cleaning(models.Model):
    """One run of a project's retention: what was older than `cutoff_at` went."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="cleanings")
    cutoff_at = models.DateTimeField()
    n_events = models.BigIntegerField(help_text="Versions count with their event.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.n_events:,} events of {self.project} from before {self.cutoff_at:%Y-%m-%d}"


class Erasure(models.Model):
    """A person whose events were deleted on request, known by a keyed hash only: nothing of theirs is let in again."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="erasures")
    fingerprint = models.CharField(max_length=64)
    n_events = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")
        constraints = (models.UniqueConstraint(fields=("project", "fingerprint"), name="one_erasure_a_person"),)

    def __str__(self) -> str:
        return f"{self.fingerprint} of {self.project}"
