"""Rules of the codebase that no linter knows."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.contexts.accounts import Authenticator
from app.queries import Query

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
MAX_LINES = 300

# The two tables without row security, which no scope can reach.
BARE_STATEMENTS_ALLOWED = {
    "app/contexts/accounts/accounts.py": {"select", "insert"},
    "app/contexts/accounts/members.py": set[str](),
}
BARE = {"select", "insert", "update", "delete", "text"}

# They make a Scope, or serve whoever administers the database itself.
WITHOUT_SCOPE = {
    "create_default_account",
    "create_first_account",
    "find_or_create_user",
    "free_slug",
    "operator_scope",
}

WITHOUT_DATABASE = {"foresee"}
NAMES_THE_ACCOUNT = ("account_id = $1", "account_id = :account_id", "(account_id")


def sources(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text()


def test_files_stay_short() -> None:
    tree = [*sources(APP), *sources(ROOT / "tests"), *sources(ROOT / "bench")]
    assert tree
    assert {name: n for name, text in tree if (n := text.count("\n")) > MAX_LINES} == {}


def test_contexts_reach_rows_only_through_the_scope() -> None:
    found: dict[str, set[str]] = {}
    for name, text in sources(APP / "contexts"):
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            if isinstance(function, ast.Name) and function.id in BARE:
                found.setdefault(name, set()).add(function.id)
            if isinstance(function, ast.Attribute) and function.attr in {"get", "merge"}:
                owner = ast.unparse(function.value)
                if owner in {"db", "db.session"}:
                    found.setdefault(name, set()).add(f"{owner}.{function.attr}")
    extra = {n: calls - BARE_STATEMENTS_ALLOWED.get(n, set()) for n, calls in found.items()}
    assert {name: calls for name, calls in extra.items() if calls} == {}


def statements() -> Iterator[tuple[str, str]]:
    """Yield all SQL of the contexts: module-level texts and queries, then other plain literals."""
    for info in pkgutil.walk_packages([str(APP / "contexts")], "app.contexts."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, (str, Query)):
                yield info.name, value if isinstance(value, str) else value.sql
    for name, text in sources(APP / "contexts"):
        tree = ast.parse(text)
        parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
        in_queries = {
            id(below)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Query"
            for below in ast.walk(node)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in parts | in_queries:
                continue
            if isinstance(node.value, str):
                yield name, node.value


def test_hot_statements_name_the_account() -> None:
    """Statements that bypass the ORM carry the tenant as their first parameter."""
    tenantless, checked = set(), 0
    for name, text in statements():
        statement = " ".join(text.split())
        if not statement.startswith(("SELECT ", "UPDATE ", "DELETE ", "INSERT ", "WITH ")):
            continue
        if " FROM " not in statement and not statement.startswith(("UPDATE", "INSERT")):
            continue
        if " accounts" in statement or ":account_id" in statement:  # the template of a query
            continue
        checked += 1
        if not any(tenant in statement for tenant in NAMES_THE_ACCOUNT):
            tenantless.add((name, statement))
    assert checked > 50
    assert tenantless == set()


def public_functions() -> Iterator[tuple[str, object]]:
    contexts = importlib.import_module("app.contexts")
    for module_info in pkgutil.iter_modules(contexts.__path__, "app.contexts."):
        module = importlib.import_module(module_info.name)
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if inspect.iscoroutinefunction(value) and value.__module__ == module.__name__
        ]
        for name in names:
            value = getattr(module, name)
            if inspect.isfunction(value) and not name.startswith("_"):
                yield f"{module.__name__}.{name}", value


def test_public_context_functions_take_the_scope_first() -> None:
    functions = dict(public_functions())
    assert len(functions) > 40
    for name, function in functions.items():
        parameters = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
        own_name = name.rpartition(".")[2]
        scope = [] if own_name in WITHOUT_SCOPE else ["scope"]
        expected = scope + ([] if own_name in WITHOUT_DATABASE else ["db"])
        assert parameters[: len(expected)] == expected, name


@pytest.mark.parametrize(
    ("call", "callers"),
    [
        ("list_account_ids(", {"app/db.py", "app/jobs.py"}),
        ("acting_as(", {"app/db.py", "app/contexts/accounts/accounts.py"}),
        (
            "Role.SYSTEM",
            {
                "app/cli/accounts.py",
                "app/cli/serve.py",
                "app/contexts/accounts/authentication.py",
                "app/contexts/accounts/members.py",
                "app/jobs.py",
                "app/scope.py",
                "app/stream/hub.py",
            },
        ),
    ],
)
def test_who_may_step_outside_a_tenant(call: str, callers: set[str]) -> None:
    assert {name for name, text in sources(APP) if call in text} == callers


def test_the_repository_speaks_of_the_product_alone() -> None:
    """No registry, no home folder of whoever wrote it."""
    forbidden = ("py" + "pi.org", "/" + "root/", "/" + "work/", "npm" + "js.")
    suffixes = {".py", ".md", ".toml", ".txt", ".json", ""}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(p.startswith(".") and p not in {".ci", ".gitignore"} for p in parts)
        if hidden or not path.is_file() or path.suffix not in suffixes:
            continue
        text = path.read_text(errors="ignore")
        assert not [word for word in forbidden if word in text], path


def test_every_module_imports() -> None:
    names = [m.name for m in pkgutil.walk_packages(app.__path__, "app.")]
    for name in names:
        if not name.startswith(("app.migrations.", "app.__main__")):
            importlib.import_module(name)
    assert Authenticator.__module__ in names
