"""What our session types make of a project, a component and the results of their checks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.contexts.sessions.types import StepContext, session_types
from app.contexts.sessions.types.definition import ComponentFacts, ProjectFacts, SessionFacts
from app.contexts.sessions.types.verdicts import count_tests, judge_failing, judge_passing
from app.schemas.sessions import ResultInput

HOSTILE = [
    "$(touch hacked)",
    "`touch hacked`",
    "'; touch hacked; '",
    '"; touch hacked; "',
    "\n touch hacked \n",
    "x && touch hacked #",
    "../../../tmp/hacked",
    "-rf",
    "--upload-pack=touch hacked",
    "password='; touch hacked; '",
    "AWS_SECRET_ACCESS_KEY='\"; touch hacked; \"'",
    "日本語 ünïcode",
    "{path}{folder}",
    "*",
    " ",
]


def context(
    type_: str = "ComponentCodingSessions",
    *,
    title: str | None = None,
    module: str | None = "Shop.HTTPCart",
    environment: Any = "local",
    toolchain: Any = "python",
    state: dict[str, Any] | None = None,
) -> StepContext:
    component = module and ComponentFacts(
        name=module, type="other", module_name=module, description="Holds what one wants to buy."
    )
    return StepContext(
        session=SessionFacts(
            id=7, type=type_, title=title, environment=environment, state=state or {}
        ),
        project=ProjectFacts(
            name="Shop",
            module_name="shop",
            description="Sells things.",
            settings={"toolchain": toolchain},
        ),
        component=component or None,
        last=None,
    )


def command(given: StepContext, step: str) -> str:
    steps = session_types()[given.session.type].steps
    [found] = [s for s in steps if s.name == step]
    return found.command(given).command


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for arguments in (
        ["init", "--quiet"],
        ["config", "user.name", "Test"],
        ["config", "user.email", "test@example.test"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_becomes_shell_text(repository: Path, text: str) -> None:
    """Also where a project quotes as nobody should."""
    careless = {
        "preset": "python",
        "test": 'echo $message "$message" "${message}" \'x\' $module_name $test_path >> log',
    }
    for given in (
        context(title=text, module=text, toolchain=careless),
        context(title=text, module=None, toolchain=careless),
    ):
        for step in ("Initialize", "RunTests", "Finalize"):
            (repository / "file").write_text(f"{step}{given}")
            done = subprocess.run(
                ["/bin/sh", "-c", command(given, step)], cwd=repository, check=False
            )
            assert done.returncode == 0, step
    assert not (repository / "hacked").exists()
    assert {p.name for p in repository.iterdir()} == {".git", "file", "log"}
    shown = subprocess.run(
        ["git", "log", "--format=%s"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert len(shown.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("module", "python", "elixir"),
    [
        ("Shop.HTTPCart", "shop/http_cart", "shop/http_cart"),
        ("MyApp2.UserV2", "my_app2/user_v2", "my_app2/user_v2"),
        ("shop.cart", "shop/cart", "shop/cart"),
        ("cart", "cart", "cart"),
        ("Elixir::Odd/../Name", "elixir/odd/name", "elixir/odd/name"),
        ("...", "session_7", "session_7"),
    ],
)
def test_where_files_belong(module: str, python: str, elixir: str) -> None:
    show = 'echo "$design_path" "$code_path" "$test_path" "$branch"'
    folder, _, name = python.rpartition("/")
    tests = f"tests/{folder}/test_{name}.py" if folder else f"tests/test_{name}.py"
    given = context(module=module, toolchain={"preset": "python", "test": show})
    branch = f"component-coding-{python.replace('/', '-').replace('_', '-')}"
    if module == "...":
        branch = "component-coding-session-7"
    assert run(command(given, "RunTests")) == [
        f"docs/design/{python}.md",
        f"{python}.py",
        tests,
        branch,
    ]
    given = context(module=module, toolchain={"preset": "elixir", "test": show})
    assert run(command(given, "RunTests"))[1:3] == [f"lib/{elixir}.ex", f"test/{elixir}_test.exs"]
    elsewhere = {"preset": "python", "code_path": "src/{folder}{name}.py", "test": show}
    assert run(command(context(module=module, toolchain=elsewhere), "RunTests"))[1] == (
        f"src/{python}.py"
    )


def run(text: str) -> list[str]:
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_environments() -> None:
    for environment in ("local", None):
        given = context(environment=environment, toolchain={"preset": "elixir", "setup": "mix x"})
        assert command(given, "Initialize").endswith('git switch --create "$branch"\nmix x')
        assert "git commit" in command(given, "Finalize")
    given = context(environment="vscode")
    assert command(given, "Initialize") == ""
    assert command(given, "Finalize") == "git add --all"


def test_a_repair_goes_on_with_the_conversation() -> None:
    agents = {
        "claude -p --model opus": "claude -p --model opus --continue",
        "codex exec -": "codex exec -",
    }
    for agent, goes_on in agents.items():
        toolchain = {"preset": "python", "agent": agent}
        fresh = context(toolchain=toolchain)
        begun = context(toolchain=toolchain, state={"conversation": True})
        assert command(fresh, "FixTestFailures") == agent
        assert command(begun, "FixTestFailures") == goes_on
        assert command(begun, "GenerateImplementation") == agent
    begun = context(
        toolchain={"agent": "x", "agent_continue": "x resume"}, state={"conversation": True}
    )
    assert command(begun, "FixTestFailures") == "x resume"


def test_prompts_say_what_it_is_about() -> None:
    state = {"failure": {"message": "2 of 3 failed", "output": "E  assert 1 == 2"}}
    for name, type_ in session_types().items():
        for step in type_.steps:
            pipe = step.command(context(name, title="Soon", state=state)).pipe
            if pipe is None:
                continue
            for words in ("Shop", "Sells things.", "Shop.HTTPCart", "Holds what", "Soon"):
                assert words in pipe, (name, step.name)
            assert ("E  assert 1 == 2" in pipe) == (step.kind == "repair")
            assert "{" not in pipe
    odd = context(state={"failure": [1, {"message": 2}]})
    assert session_types()["ComponentCodingSessions"].steps[3].command(odd).pipe


def summaries() -> Iterator[Any]:
    for text, counts in {
        "=== 2 failed, 3 passed, 1 skipped in 0.12s ===": (5, 2),
        "5 passed in 65.32s (0:01:05)": (5, 0),
        "\x1b[31m\x1b[1m3 failed\x1b[0m\x1b[31m in 0.10s\x1b[0m": (3, 3),
        "1 passed, 2 warnings, 1 error in 0.10s": (2, 1),
        "no tests ran in 0.01s": (0, 0),
        "1 passed in 0.1s\nagain\n2 failed in 0.1s": (2, 2),
        "!! Interrupted: 1 error during collection !!\n1 error in 0.12s": None,
        "3 tests, 1 failure": (3, 1),
        "1 doctest, 2 properties, 5 tests, 0 failures, 2 excluded, 1 skipped": (5, 0),
        "==> a\n3 tests, 1 failure\n==> b\n4 tests, 2 failures": (7, 3),
        "** (CompileError) lib/shop.ex:1": None,
        "": None,
    }.items():
        yield pytest.param(text, counts, id=text[:30])


@pytest.mark.parametrize(("stdout", "counts"), list(summaries()))
def test_summaries(stdout: str, counts: tuple[int, int] | None) -> None:
    assert count_tests(ResultInput(status="ok", stdout=f"before\n{stdout}\nafter\n")) == counts


@pytest.mark.parametrize(
    ("result", "coding", "test_first"),
    [
        ({"stdout": "3 passed in 0.1s", "code": 0}, "ok", "error"),
        ({"stdout": "3 failed in 0.1s", "code": 1}, "error", "ok"),
        ({"stdout": "1 failed, 2 passed in 0.1s", "code": 1}, "error", "warning"),
        ({"stdout": "no tests ran in 0.1s", "code": 5}, "error", "warning"),
        ({"stdout": "no tests ran in 0.1s", "code": 4}, "error", "error"),
        ({"stdout": "1 error during collection\n1 error in 0.1s", "code": 2}, "error", "error"),
        ({"stdout": "3 tests, 3 failures", "code": 2}, "error", "ok"),
        ({"stdout": "3 tests, 0 failures", "code": 0}, "ok", "error"),
        ({"stdout": "3 passed in 0.1s", "code": 3}, "error", "error"),
        ({"stdout": "** (CompileError)", "code": 1}, "error", "error"),
        ({"data": {"tests": 4, "failures": 4}}, "error", "ok"),
        ({"data": {"tests": 4, "failures": 1}}, "error", "warning"),
        ({"data": {"tests": 4, "failures": 0}}, "ok", "error"),
        ({"data": {"tests": 0, "failures": 0}}, "warning", "warning"),
        ({"data": {"failures": 2}}, "error", "ok"),
        ({"data": {"failures": "many", "tests": True}, "code": 0}, "ok", "error"),
        ({"data": {"tests": 4, "failures": 4}, "stdout": "9 passed in 1s"}, "error", "ok"),
        ({"code": 0}, "ok", "error"),
        ({"code": 1}, "error", "error"),
        ({}, "ok", "ok"),
        ({"status": "error"}, "error", "error"),
        ({"status": "warning"}, "warning", "warning"),
    ],
)
def test_verdicts(result: dict[str, Any], coding: str, test_first: str) -> None:
    posted = ResultInput(**{"status": "ok", **result})
    for judge, expected in ((judge_passing, coding), (judge_failing, test_first)):
        changes, judged = judge(context(), posted)
        assert judged.status == expected
        assert judged.stdout == posted.stdout
        if expected == "ok":
            assert changes == {"failure": None}
        else:
            assert set(changes["failure"]) == {"message", "output"}
            assert (judged.error_message or "") == changes["failure"]["message"]
        if expected == "warning" and posted.status == "ok":
            assert judged.error_message, "a warning explains itself"
