"""Live routing's own fixtures hold here too."""

from __future__ import annotations

from tests.routing.conftest import gateway

__all__ = ["gateway"]
