"""The commands of docs/guides/workflows.md, on real input: git, pytest, and a scripted agent."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.workflows import interactions
from tests.servers import Server, environment, start_server, stop_server

DOCUMENT = Path(__file__).parents[2] / "docs" / "guides" / "workflows.md"
# In place of the first block, which needs a network and the server's usual port.
SETUP = """\
set -euo pipefail
api() { python3 -c '
import os, sys, httpx
headers = {"Authorization": "Bearer " + os.environ["AGENT_SESSIONS_TOKEN"]}
url = os.environ["AGENT_SESSIONS_URL"] + "/api/" + sys.argv[2]
print(httpx.request(sys.argv[1], url, content=sys.argv[3], headers=headers).text)
' "$1" "$2" "$3"; }
"""
# What a user sees but for what pytest prints, which differs from version to version.
EXPECTED = """\
Initialize ok 1
GenerateImplementation ok 1
RunTests error 1
FixTestFailures ok 1
RunTests ok 2
Finalize ok 1
"""


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    started = start_server(tmp_path)
    yield started
    stop_server(started)


def steps(server: Server, session_id: int) -> str:
    return "".join(
        f"{i['step_name']} {i['result']['status']} {i['command']['metadata']['attempt']}\n"
        for i in interactions(server, session_id)
    )


def test_the_document_does_what_it_says(fresh_server: Server, tmp_path: Path) -> None:
    server = fresh_server
    section = DOCUMENT.read_text().partition("## Try it\n")[2].partition("\n## ")[0]
    first, *blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert "curl" in first
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"AGENT_SESSIONS_URL": server.url, "AGENT_SESSIONS_TOKEN": server.token}
    done = subprocess.run(
        ["bash", "-c", "\n".join([SETUP, *blocks])],
        env=environment(server.home, PATH=path, **variables),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = section.partition("```\n▶")[2].partition("```")[0]
    remaining = iter(re.sub(r"^\x1b.*?K", "", done.stderr + done.stdout).splitlines())
    for line in f"▶{shown}".splitlines():
        if line != "wrote shop/cart.py":  # to the other stream
            assert line in remaining, line
    assert steps(server, 2) == EXPECTED
    assert "FixCompilationErrors ok 1\nRunTests ok 2\nFinalize ok 1\n" in steps(server, 1)
    found = {i["step_name"]: i for i in interactions(server, 2)}
    assert "1 of 1 failed" in found["FixTestFailures"]["command"]["pipe"]
    assert "assert 2 == 5" in found["FixTestFailures"]["command"]["pipe"]
    assert found["RunTests"]["result"]["data"] == {"tests": 1, "failures": 0}
    demo = server.home / "agent-sessions-demo" / "shop"
    log = subprocess.run(
        ["git", "log", "--format=%D|%s", "--stat=200", "--all"],
        cwd=demo,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "HEAD -> component-coding-shop-cart|Add up a cart" in log
    assert "component-test-shop-cart|Component test: Cart" in log
    assert "tests/shop/test_cart.py" in log
    assert "return sum(prices, 0)" in (demo / "shop" / "cart.py").read_text()
    assert "RunTests" in done.stdout, "sessions show prints the history"
