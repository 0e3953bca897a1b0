from app.contexts.sessions.types.definition import SessionType, Step, StepCommand, StepContext
from app.contexts.sessions.types.shell import script
from app.contexts.sessions.types.steps import FINALIZE, INITIALIZE, generate, repair
from app.contexts.sessions.types.verdicts import judge_exit


def _steps(what: str, sections: str) -> tuple[Step, ...]:
    def validate(context: StepContext) -> StepCommand:
        return StepCommand(script(context, context.toolchain.check_design, sections=sections))

    headings = ", ".join(f"`## {section}`" for section in sections.split())
    return (
        INITIALIZE,
        generate(
            "GenerateDesign",
            f"Write the design of this {what} to {{design_path}}, as Markdown with the sections "
            f"{headings}. Write no code.",
        ),
        Step("ValidateDesign", validate, "check", judge_exit),
        repair(
            "ReviseDesign",
            f"The design in {{design_path}} is not complete: it needs the sections {headings}. "
            "Revise it.",
        ),
        FINALIZE,
    )


CONTEXT_DESIGN = SessionType(
    name="ContextDesignSessions",
    title="Context design",
    description="Designs a context: what it is for, its components and what they depend on.",
    steps=_steps("context", "Purpose Components Dependencies"),
)
COMPONENT_DESIGN = SessionType(
    name="ComponentDesignSessions",
    title="Component design",
    description="Designs a component: what it is for, its interface and how it is tested.",
    steps=_steps("component", "Purpose Interface Tests"),
)
