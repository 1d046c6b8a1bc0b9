"""Netra's own settings over a folder of this process alone: chDB locks its directory, so test workers share none."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_DATA = tempfile.mkdtemp(prefix="netra-tests-")
atexit.register(shutil.rmtree, _DATA, ignore_errors=True)
os.environ["NETRA_DATA_DIR"] = _DATA
os.environ.setdefault("NETRA_SIMULATED_TIME_SCALE", "0.02")

from netra.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405
