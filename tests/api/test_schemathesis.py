"""Every operation against its own description, with everything a fuzzer can think of.

`SCHEMATHESIS_SECONDS=600` looks longer and at more of it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app import embedded
from tests.pgbouncer import pgbouncer
from tests.servers import start_server, stop_server

# What a busy machine leaves out here is only the end of the random part.
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "110"))
HANGS_SECONDS = SECONDS + 190
MAX_EXAMPLES = max(20, SECONDS // 4)
# Tested elsewhere: the stream never ends, and the others would delete the tester's token during the
# run.
EXCLUDED = ["stream_feed_events", "delete_account", "revoke_token"]
# All checks but two. Valid by the schema may be forbidden by the state: an id that is taken, a
# session that has ended. And the tester believes that a number in a query is not one of its texts.
# A project or a version that is made up would only be 404 or 412 before anything else is looked at.
CONFIGURATION = """
[parameters]
"header.X-Project" = "*"
"header.If-Match" = "*"
[checks]
positive_data_acceptance.enabled = false
[[operations]]
include-operation-id = ["list_instance_commands", "search_instance_commands"]
checks.negative_data_rejection.enabled = false
"""
FAR_AWAY = 9_000_000_000


async def move_ids_away(url: str) -> None:
    """Keeps generated ids away from the tester's own token and membership, which it would
    delete."""
    connection = await asyncpg.connect(url)
    try:
        for table in ("accounts", "users", "members", "api_tokens"):
            await connection.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {FAR_AWAY}")
    finally:
        await connection.close()


@pytest.fixture
def variables(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[dict[str, str]]:
    """The server's environment: without a pool it starts a PostgreSQL of its own."""
    if not pytestconfig.getoption("--pgbouncer"):
        yield {}
        return
    with (
        embedded.start(tmp_path_factory.mktemp("pooled")) as cluster,
        pgbouncer(cluster.url) as url,
    ):
        yield {
            "DATABASE_URL": url,
            "DATABASE_DIRECT_URL": cluster.url,
            "AGENT_SESSIONS_PGBOUNCER": "1",
        }


def test_the_api_does_what_it_says(tmp_path: Path, variables: dict[str, str]) -> None:
    server = start_server(tmp_path, **variables)
    folder = ("--data-dir", str(server.data_dir))
    direct = variables.get("DATABASE_DIRECT_URL")
    asyncio.run(move_ids_away(direct or server.json("db", "url", *folder)["url"]))
    account = ("--name", "Tested", "--owner", "t@example.test")
    made = server.json("account", "create", *account, *folder, **variables)
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    excluded = [f"--exclude-operation-id={name}" for name in EXCLUDED]
    done = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            "run",
            f"{server.url}/openapi.json",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={MAX_EXAMPLES}",
            f"--max-time={SECONDS}",
            "--no-color",
            f"--header=Authorization: Bearer {made['token']}",
            *excluded,
        ],
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    stop_server(server)
    # All of it: the seed and the first failure stand at the beginning.
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    log = (tmp_path / "server.log").read_text()
    assert "unexpected error" not in log, log
