"""One frozen value holds every setting; flags win over the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

MEBIBYTE = 1024 * 1024


class SettingsError(Exception):
    """A setting that cannot be used; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is read from the environment variable `AGENT_SESSIONS_<FIELD>`, upper case.

    `database_url` alone is read from `DATABASE_URL`, the name every platform sets.
    """

    database_url: str
    pool_size: int = 10
    """Connections to PostgreSQL per worker process."""
    pool_timeout: int = 5
    """Seconds a request waits for a free connection before it is answered 503."""
    max_body_bytes: int = 8 * MEBIBYTE
    max_string_bytes: int = 256 * 1024
    """Longer strings of agent output are truncated in the middle, with a marker."""
    token_cache_seconds: float = 2.0
    """How long another worker may go on accepting a token that was just revoked (at most 5)."""
    root_path: str = ""
    """Prefix under which a proxy serves this application, such as `/agents`."""


def from_environment(environ: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """Raises SettingsError naming the variable that cannot be used."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        variable = "DATABASE_URL" if field.name == "database_url" else _variable(field.name)
        if variable in environ:
            values[field.name] = environ[variable]
    values.update({name: value for name, value in flags.items() if value is not None})
    if not values.get("database_url"):
        raise SettingsError("DATABASE_URL is not set")
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"environment: {error}") from None
    if not 0 <= settings.token_cache_seconds <= 5:
        raise SettingsError(f"{_variable('token_cache_seconds')} must lie between 0 and 5 seconds")
    return settings


def _variable(field: str) -> str:
    return f"AGENT_SESSIONS_{field.upper()}"


def default_data_dir() -> Path:
    """Where the embedded PostgreSQL lives when no flag says otherwise."""
    if configured := os.environ.get("AGENT_SESSIONS_DATA_DIR"):
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/lib/agent-sessions")
    return Path.home() / ".local" / "share" / "agent-sessions"
