"""The ground: settings, wiring by string only, errors, and one door to each outside world."""

from netra.celery import app as celery_app

__all__ = ["celery_app"]
