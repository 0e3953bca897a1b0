from app.contexts.sessions.types.definition import SessionType
from app.contexts.sessions.types.steps import FINALIZE, INITIALIZE, generate, repair, run_tests
from app.contexts.sessions.types.verdicts import judge_passing

COMPONENT_CODING = SessionType(
    name="ComponentCodingSessions",
    title="Component coding",
    description="Writes the code of a component: complete when its tests pass.",
    steps=(
        INITIALIZE,
        generate(
            "GenerateImplementation",
            "Write this component's code to {code_path}. Its design is in {design_path}, if there "
            "is one, and its tests are in {test_path}: they must pass, and you must not change "
            "them.",
        ),
        run_tests(judge_passing),
        repair(
            "FixTestFailures",
            "The tests in {test_path} do not pass yet. Repair the code in {code_path}, not the "
            "tests.",
        ),
        FINALIZE,
    ),
)
