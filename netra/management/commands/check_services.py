"""Try each store and service once, and say what answers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from netra import clickhouse, embeddings, health
from netra.errors import Unavailable


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--embeddings", action="store_true", help="load the embedding model as well (seconds)")

    def handle(self, *args: Any, **options: Any) -> None:
        found = health.examine()
        if options["embeddings"]:
            found["embeddings"] = self._embed()
        for name, state in found.items():
            self.stdout.write(f"{name:<12} {self._where(name):<34} {state}")
        if any(state != "ok" for state in found.values()):
            raise CommandError("Not everything answers; see above.")

    @staticmethod
    def _embed() -> str:
        try:
            return "ok" if embeddings.encode(["ready?"]).shape[0] == 1 else "gave no vector"
        except Unavailable as problem:
            return str(problem)

    @staticmethod
    def _where(name: str) -> str:
        """The kind of store, never its address: addresses hold passwords."""
        kinds = {
            "database": settings.DATABASES["default"]["ENGINE"].rsplit(".", 1)[-1],
            "events": "chDB in this process" if clickhouse.is_embedded() else "ClickHouse server",
            "cache": "Redis" if settings.REDIS_URL else "memory of this process",
            "embeddings": settings.EMBEDDING_MODEL,
        }
        return kinds.get(name, "")
