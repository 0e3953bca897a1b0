from app.contexts.sessions.types.definition import SessionType
from app.contexts.sessions.types.steps import FINALIZE, INITIALIZE, generate, repair, run_tests
from app.contexts.sessions.types.verdicts import judge_failing

_STUB = (
    "If the code in {code_path} does not exist yet, write no more of it than the tests need to be "
    "loaded; each of them must fail."
)


COMPONENT_TEST = SessionType(
    name="ComponentTestSessions",
    title="Component tests",
    description="Writes the tests of a component before its code: complete when they all fail.",
    steps=(
        INITIALIZE,
        generate(
            "GenerateTestsAndFixtures",
            "Write the tests of this component, and the fixtures they need, to {test_path}. "
            f"Its design is in {{design_path}}, if there is one. {_STUB}",
        ),
        run_tests(judge_failing),
        repair(
            "FixCompilationErrors",
            f"The tests in {{test_path}} are not as they should be yet: repair them. {_STUB}",
        ),
        FINALIZE,
    ),
)
