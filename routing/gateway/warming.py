"""Beside the web server: what a first request would have to wait for is loaded before it comes."""

from __future__ import annotations

import logging
from threading import Thread

from django.db import DatabaseError, close_old_connections

from netra import embeddings
from netra.errors import Unavailable
from routing.models import TrainedPredictor

log = logging.getLogger("netra.gateway")


class Warming:
    """Loads the embedding model in a thread of its own where any project has a predictor; it takes ten seconds."""

    def __init__(self) -> None:
        self._thread = Thread(target=self._warm, name="warming", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing is held; a load under way ends with the process."""

    def _warm(self) -> None:
        try:
            if TrainedPredictor.objects.current().exclude(sha256="").exists():
                embeddings.encode_soon("The first text takes longer than those after it.")
        except (DatabaseError, Unavailable) as problem:
            log.warning("The embedding model was not loaded ahead: %s", problem)
        finally:
            close_old_connections()
