"""Steps that the built-in session types share; other packages may use them too."""

from collections.abc import Callable

from app.contexts.sessions.types.definition import Handled, Step, StepCommand, StepContext
from app.contexts.sessions.types.prompts import prompt
from app.contexts.sessions.types.shell import script
from app.schemas.sessions import ResultInput


def _begin(context: StepContext) -> StepCommand:
    """Make a branch and set up; in an editor, the person has done both."""
    if context.session.environment == "vscode":
        return StepCommand()
    return StepCommand(script(context, context.toolchain.branch, context.toolchain.setup))


def _finish(context: StepContext) -> StepCommand:
    """Stage and commit; in an editor, the person commits."""
    toolchain = context.toolchain
    commit = "" if context.session.environment == "vscode" else toolchain.commit
    return StepCommand(script(context, toolchain.stage, commit))


INITIALIZE = Step("Initialize", _begin)
FINALIZE = Step("Finalize", _finish)


def generate(name: str, task: str) -> Step:
    """Give the agent a task, which may name `{design_path}`, `{code_path}` and `{test_path}`."""

    def command(context: StepContext) -> StepCommand:
        agent = script(context, context.toolchain.agent)
        return StepCommand(agent, prompt(context, task))

    return Step(name, command, handle_result=_remember_conversation)


def run_tests(judge: Callable[[StepContext, ResultInput], Handled]) -> Step:
    """Run the component's own tests; the judge says whether they must pass or fail."""

    def command(context: StepContext) -> StepCommand:
        return StepCommand(script(context, context.toolchain.test))

    return Step("RunTests", command, "check", judge)


def repair(name: str, task: str) -> Step:
    """Let the agent continue its conversation, if it has one, with what the check found."""

    def command(context: StepContext) -> StepCommand:
        toolchain = context.toolchain
        goes_on = context.session.state.get("conversation") is True
        agent = script(context, toolchain.agent_continue if goes_on else toolchain.agent)
        return StepCommand(agent, prompt(context, task, failure=True))

    return Step(name, command, kind="repair", handle_result=_remember_conversation)


def _remember_conversation(_: StepContext, result: ResultInput) -> Handled:
    return ({"conversation": True} if result.status == "ok" else {}), result
