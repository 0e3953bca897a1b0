"""The parts of a session type. Packages with types of their own import them from
`app.contexts.sessions.types`."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import msgspec

from app.schemas.sessions import Environment, Interaction, ResultInput, ResultStatus
from app.schemas.toolchain import Toolchain, toolchain_of


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    type: str
    title: str | None
    environment: Environment | None
    state: dict[str, Any]


class ProjectFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    module_name: str | None
    description: str | None
    settings: dict[str, Any]


class ComponentFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    type: str
    module_name: str
    description: str | None


class StepContext(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a step may use. `last` is the workflow's last interaction; in `handle_result`,
    the one whose result has arrived."""

    session: SessionFacts
    project: ProjectFacts | None
    component: ComponentFacts | None
    last: Interaction | None

    @property
    def toolchain(self) -> Toolchain:
        """Raises Invalid when the toolchain in the project's settings cannot be used."""
        settings = {} if self.project is None else self.project.settings
        return toolchain_of(settings, "project.settings.toolchain")


class StepCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command for the client to run. An empty one runs nothing, and its result is ok."""

    command: str = ""
    pipe: str | None = None
    metadata: dict[str, Any] = {}


Handled = tuple[dict[str, Any], ResultInput]
"""A merge patch (RFC 7396) for the session's state, and the result to store."""


class Step(msgspec.Struct, frozen=True):
    """One step of a workflow. Both functions run on the server within a request: they must not wait
    for anything, and may be called again with the same context.

    A `plain` step leads to the next when its result is ok, else to itself. A `check` leads to the
    next when ok, to its repair on an error, and to itself on a warning. A `repair` follows its
    check; it returns to the check when ok, else to itself.
    """

    name: str
    command: Callable[[StepContext], StepCommand]
    kind: Literal["plain", "check", "repair"] = "plain"
    handle_result: Callable[[StepContext, ResultInput], Handled] | None = None


class SessionType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of session. A type without steps records what the agent does by itself. `retry_limit`
    overrides the server's."""

    name: str
    title: str
    description: str
    steps: tuple[Step, ...] = ()
    retry_limit: int | None = None

    def after(self, name: str, status: ResultStatus) -> Step | None:
        """Return the step after a result; None when the work is complete. Raises LookupError for an
        unknown step."""
        index = next((i for i, step in enumerate(self.steps) if step.name == name), None)
        if index is None:
            raise LookupError(f"no step {name}")
        step = self.steps[index]
        following = self.steps[index + 1 : index + 3]
        repaired = step.kind == "check" and bool(following) and following[0].kind == "repair"
        if status == "ok":
            if step.kind == "repair":
                return self.steps[index - 1]
            following = following[repaired:]
            return following[0] if following else None
        return following[0] if repaired and status == "error" else step

    def problem(self) -> str | None:
        """Explain why the type cannot be used; None when it can."""
        names = [step.name for step in self.steps]
        kinds = ["plain", *(step.kind for step in self.steps)]
        if len(set(names)) < len(names) or not all(0 < len(name) <= 200 for name in names):
            return "its steps need different names of at most 200 characters"
        if any(kind == "repair" and before != "check" for before, kind in pairwise(kinds)):
            return "a repair must follow its check"
        if self.retry_limit is not None and self.retry_limit < 1:
            return "its retry limit must be at least 1"
        return None
