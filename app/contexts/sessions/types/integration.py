from app.contexts.sessions.types.definition import SessionType, Step, StepCommand, StepContext
from app.contexts.sessions.types.shell import script
from app.contexts.sessions.types.steps import FINALIZE, INITIALIZE, repair
from app.contexts.sessions.types.verdicts import judge_passing


def _run(context: StepContext) -> StepCommand:
    return StepCommand(script(context, context.toolchain.integration_test))


INTEGRATION = SessionType(
    name="IntegrationSessions",
    title="Integration",
    description="Brings the parts together: complete when all tests of the project pass.",
    steps=(
        INITIALIZE,
        Step("RunIntegrationTests", _run, "check", judge_passing),
        repair(
            "FixIntegrationFailures",
            "The tests of the whole project do not pass yet. Find out why and repair the code.",
        ),
        FINALIZE,
    ),
)
