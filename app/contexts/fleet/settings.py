"""Settings of an account for its fleet."""

from msgspec import UNSET

from app import feed
from app.db import Db
from app.models import FleetSettings
from app.models.fleet import DEFAULT_STALE_AFTER_SECONDS
from app.schemas.fleet import FleetSettingsUpdate
from app.scope import Scope

_STORE = "INSERT INTO fleet_settings (account_id) VALUES ($1) ON CONFLICT (account_id) DO NOTHING"


async def get_fleet_settings(scope: Scope, db: Db) -> FleetSettings:
    """The settings, or the defaults when the account has changed none."""
    found = await db.session.scalar(scope.select(FleetSettings))
    return found or scope.build(FleetSettings, stale_after_seconds=DEFAULT_STALE_AFTER_SECONDS)


async def update_fleet_settings(scope: Scope, db: Db, data: FleetSettingsUpdate) -> FleetSettings:
    """Applies to the whole account, whichever project is active."""
    scope.require_admin()
    scope.require_whole_account()
    await db.driver.execute(_STORE, scope.account_id)
    settings = (await db.session.scalars(scope.select(FleetSettings).with_for_update())).one()
    if data.stale_after_seconds is not UNSET:
        settings.stale_after_seconds = data.stale_after_seconds
    feed.record(scope, db, "fleet_settings.updated", scope.account_id)
    return settings
