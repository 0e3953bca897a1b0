"""Prompts: what an agent reads on its standard input."""

from app.contexts.sessions.types.definition import StepContext
from app.contexts.sessions.types.shell import paths


def prompt(context: StepContext, task: str, *, failure: bool = False) -> str:
    """Describe the project and component, then the task, then, with `failure`, what the last check
    found. `{design_path}`, `{code_path}` and `{test_path}` in the task are filled in."""
    parts = [_about(context), task.format(**paths(context))]
    if failure:
        parts.append(_failure(context))
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(context: StepContext) -> str:
    session, project, component = context.session, context.project, context.component
    lines = []
    if project is not None:
        module = f" (module {project.module_name})" if project.module_name else ""
        lines += [f"Project: {project.name}{module}", project.description]
    if component is not None:
        lines += [
            f"Component: {component.name} ({component.type}), module {component.module_name}",
            component.description,
        ]
    if session.title:
        lines.append(f"Session: {session.title}")
    return "\n".join(line for line in lines if line)


def _failure(context: StepContext) -> str:
    """Read the failure from the state, which clients may have overwritten with anything."""
    failure = context.session.state.get("failure")
    if not isinstance(failure, dict):
        return ""
    return "\n".join(str(failure[key]) for key in ("message", "output") if failure.get(key))
