"""What the server never does, whatever a client sends. docs/security.md says why."""

import ast
import re
from collections.abc import Iterator

from tests.test_architecture import APP, ROOT, sources

# Everything that handles what clients send. The command line and the embedded PostgreSQL act for
# whoever runs them; their arguments are not a client's.
HANDLING_CLIENTS = set(
    "api asgi cleaning contexts db engine errors feed http jobs library_internals logs models "
    "outbox paging queries redaction schemas scope stream".split()
)
# What opens a connection, a file or a process, or turns text into code.
MODULES = set(
    "aiohttp ftplib http httpx importlib multiprocessing os pathlib pickle requests shutil smtplib "
    "socket subprocess tempfile urllib.request urllib3 yaml".split()
)
CALLS = {"__import__", "compile", "eval", "exec", "open"}

ALLOWED = {
    # A worker watches the process that started it, and ends itself.
    ("app/asgi.py", "multiprocessing"),
    ("app/asgi.py", "os"),
    # The installed session types, by the names of their packages' entry points.
    ("app/contexts/sessions/types/__init__.py", "importlib"),
    # Options of the connections to PostgreSQL.
    ("app/engine.py", "socket"),
    ("app/library_internals.py", "socket"),
    # A variable of this process says that there are several workers.
    ("app/http/metrics.py", "os"),
}


def used() -> Iterator[tuple[str, str]]:
    for name, text in sources(APP):
        if name.removeprefix("app/").partition("/")[0].removesuffix(".py") not in HANDLING_CLIENTS:
            continue
        for node in ast.walk(ast.parse(text)):
            found: list[str] = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found = [node.module]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found = [node.func.id] if node.func.id in CALLS else []
            for module in found:
                for known in MODULES | CALLS:
                    if module == known or module.startswith(f"{known}."):
                        yield name, known


def test_no_url_path_or_code_of_a_client_is_ever_used() -> None:
    assert set(used()) == ALLOWED


def test_the_document_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    defined = {
        found
        for _, text in sources(ROOT / "tests")
        for found in re.findall(r"def (test_\w+)", text)
    }
    assert len(named) > 40
    assert named - defined == set()
