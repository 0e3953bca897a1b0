"""All settings in one frozen struct; flags override the environment."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LogLevel = Literal["debug", "info", "warning", "error"]
MEBIBYTE = 1024 * 1024


class SettingsError(Exception):
    """A setting has an unusable value; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is read from the environment variable `AGENT_SESSIONS_<FIELD>`, upper case.

    The two database URLs are read from `DATABASE_URL`, the name every platform sets, and
    `DATABASE_DIRECT_URL`.
    """

    database_url: str
    database_direct_url: str | None = None
    """PostgreSQL itself, for LISTEN, locks, migrations and backup, where `database_url` is a
    transaction-mode pool."""
    pgbouncer: bool = False
    """`database_url` is a transaction-mode pool: no prepared statement outlives its transaction."""
    pool_size: int = 10
    """Connections to PostgreSQL per worker process."""
    pool_timeout: int = 5
    """Seconds a request waits for a free connection before it is answered 503."""
    max_body_bytes: int = 8 * MEBIBYTE
    token_cache_seconds: float = 2.0
    """Seconds for which another worker may still accept a revoked token (at most 5)."""
    log_level: LogLevel = "warning"
    """`info` logs one line per request."""
    feed_days: int = 30
    """Days for which feed events are kept."""
    retry_limit: Annotated[int, Meta(ge=1)] = 5
    """How many results in a row of a workflow's step may be other than ok before the session
    fails."""
    rate_limit: int = 0
    """Requests a minute for each token and worker; 0 for no limit. Hooks are never limited."""
    cors_origins: str = ""
    """Origins, separated by commas, whose pages may call the API from a browser."""
    metrics_token: str = ""
    """The bearer token with which Prometheus reads `/metrics`; without it `/metrics` is 404."""
    traces: bool = False
    """Send a span per request to the collector named by OpenTelemetry's own variables."""
    root_path: str = ""
    """Prefix under which a proxy serves this application, such as `/agents`."""

    @property
    def direct_url(self) -> str:
        return self.database_direct_url or self.database_url


def from_environment(environ: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """Raises SettingsError, which names the variable that has an unusable value."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        variable = _variable(field.name)
        if variable in environ:
            values[field.name] = environ[variable]
    values.update({name: value for name, value in flags.items() if value is not None})
    if not values.get("database_url"):
        raise SettingsError("DATABASE_URL is not set")
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"environment: {error}") from None
    if settings.pgbouncer and not settings.database_direct_url:
        raise SettingsError(
            f"{_variable('pgbouncer')} needs DATABASE_DIRECT_URL, the URL of PostgreSQL itself: "
            "LISTEN, locks, migrations and backup do not work through a transaction-mode pool"
        )
    if not 0 <= settings.token_cache_seconds <= 5:
        raise SettingsError(f"{_variable('token_cache_seconds')} must lie between 0 and 5 seconds")
    if settings.traces and find_spec("opentelemetry") is None:
        raise SettingsError(f"{_variable('traces')} needs the packages of requirements-otel.txt")
    return settings


def _variable(field: str) -> str:
    return field.upper() if field.startswith("database_") else f"AGENT_SESSIONS_{field.upper()}"


def default_data_dir() -> Path:
    """The folder of the embedded PostgreSQL when no flag names another."""
    if configured := os.environ.get("AGENT_SESSIONS_DATA_DIR"):
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/lib/agent-sessions")
    return Path.home() / ".local" / "share" / "agent-sessions"
