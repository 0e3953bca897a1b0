"""The background work of a server."""

import asyncio
from typing import Any

import structlog

from app.contexts import continuity
from app.jobs import Jobs
from app.schemas.continuity import InstanceRegister
from app.settings import Settings
from tests.factories import World

SILENT = "UPDATE supervisor_sessions SET last_heartbeat = now() - interval '1 day'"
REFUSE = """
CREATE TRIGGER refuse BEFORE UPDATE ON supervisor_sessions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_update()
"""


async def test_it_goes_on_after_an_error_of_postgresql(world: World, settings: Settings) -> None:
    async with world.db() as db:
        data = InstanceRegister(project="p", instance_type="PS", instance_id="p-PS-abc123")
        await continuity.register_instance(world.scope(), db, data)
        await db.driver.execute(f"{SILENT} WHERE account_id = $1", world.account_id)
    async with world.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(REFUSE)
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(Jobs(world.database, settings).run())
            while not (logs or task.done()):  # noqa: ASYNC110 - either may come
                await asyncio.sleep(0.01)
        await driver.execute("DROP TRIGGER refuse ON supervisor_sessions")
    assert not task.done()
    assert "never change" in logs[0]["reason"]
    task.cancel()
