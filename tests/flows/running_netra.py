"""Netra in a process of its own, over NETRA_DATA_DIR: `running_netra.py SLUG…` prints address and keys, and serves."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "netra.settings"

import django

django.setup()

import uvicorn  # noqa: E402
from django.core.management import call_command  # noqa: E402

from netra.celery import EmbeddedWorker  # noqa: E402
from projects.models import ApiKey, Project  # noqa: E402


def prepared(slugs: list[str]) -> dict[str, str]:
    """A key by project."""
    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    projects = [Project.objects.create(slug=slug, name=slug) for slug in slugs]
    return {project.slug: ApiKey.issue(project, "emitter", by=None)[1] for project in projects}


def serve(slugs: list[str]) -> None:
    keys = prepared(slugs)
    EmbeddedWorker().start()
    door = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"address": f"http://127.0.0.1:{door.getsockname()[1]}", "keys": keys}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config("netra.asgi:application", log_level="warning", access_log=False)).run([door])


if __name__ == "__main__":
    serve(sys.argv[1:])
