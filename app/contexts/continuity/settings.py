"""Settings of an account for its long-running agents."""

from typing import Any

import msgspec

from app import feed
from app.db import Db
from app.models import ContinuitySettings
from app.schemas.base import given
from app.schemas.retention import ContinuitySettingsUpdate
from app.scope import Scope

_STORE = """
INSERT INTO continuity_settings (account_id) VALUES ($1) ON CONFLICT (account_id) DO NOTHING
"""


# The defaults of the columns, for accounts without a row.
_COLUMNS: Any = ContinuitySettings.__table__.columns
_DEFAULTS: dict[str, Any] = {
    column.key: msgspec.json.decode(column.server_default.arg.text)
    for column in _COLUMNS
    if column.server_default is not None
}


async def get_continuity_settings(scope: Scope, db: Db) -> ContinuitySettings:
    """The settings, or the defaults when the account has changed none."""
    found = await db.session.scalar(scope.select(ContinuitySettings))
    return found or scope.build(ContinuitySettings, **_DEFAULTS)


async def update_continuity_settings(
    scope: Scope, db: Db, data: ContinuitySettingsUpdate
) -> ContinuitySettings:
    """Applies to the whole account, whichever project is active."""
    scope.require_admin()
    scope.require_whole_account()
    await db.driver.execute(_STORE, scope.account_id)
    settings = (await db.session.scalars(scope.select(ContinuitySettings).with_for_update())).one()
    for name, value in given(data).items():
        setattr(settings, name, value)
    feed.record(scope, db, "continuity_settings.updated", scope.account_id)
    return settings
