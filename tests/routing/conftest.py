"""What the tests of live routing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from projects.models import Project
from projects.spool import Spool
from routing import allowances
from routing.gateway import planning, recording
from routing.gateway.tenants import TENANTS
from routing.gateway.warmth import WARMTH
from tests.routing import gatewayed


@pytest.fixture
def gateway(
    transactional_db: None, project: Project, events: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[gatewayed.Gateway]:
    spool = Spool(tmp_path / "spool", max_bytes=50_000_000)
    monkeypatch.setattr(recording, "SPOOL", spool)
    for kept in (TENANTS._known, planning._health, allowances._purses):
        kept.clear()  # type: ignore[attr-defined]
    WARMTH.clear()
    yield gatewayed.made(project, spool)
    spool.close()
