"""Shell text for steps, with names and titles passed safely as variables."""

import functools
import re
import shlex

from app.cleaning import clean_text
from app.contexts.sessions.types.definition import StepContext
from app.schemas.toolchain import fill_path

_SLUG_LENGTH = 60


def script(context: StepContext, *commands: str, **variables: str) -> str:
    """Join commands that run one after the other until one fails. They may use `$branch`,
    `$message`, `$module_name`, `$design_path`, `$code_path`, `$test_path` and the `variables`.

    A value appears only in a quoted assignment, so the shell never parses it as code. Secrets are
    redacted here, because redacting the finished text could remove a quote.
    """
    lines = [command for command in commands if command.strip()]
    text = "\n".join(lines)
    assignments = [
        f"{name}={shlex.quote(clean_text(value))}"
        for name, value in {**_variables(context), **variables}.items()
        if re.search(rf"\$\{{?{name}\b", text)
    ]
    start = ["set -e"] if len(lines) > 1 else []
    return "\n".join([*start, *assignments, *lines])


def paths(context: StepContext) -> dict[str, str]:
    """Return the paths of the component's design, code and tests."""
    folders, name = _module_path(context)
    folder = "".join(f"{part}/" for part in folders)
    toolchain = context.toolchain
    return {
        entry: fill_path(
            getattr(toolchain, entry), path=f"{folder}{name}", folder=folder, name=name
        )
        for entry in ("design_path", "code_path", "test_path")
    }


def _variables(context: StepContext) -> dict[str, str]:
    session, component = context.session, context.component
    kind = _kebab(session.type.removesuffix("Sessions"))
    title = (session.title or "").strip()
    subject = component.name if component else f"session {session.id}"
    return {
        "branch": f"{kind}-{_slug(context)}",
        "message": title or f"{kind.replace('-', ' ').capitalize()}: {subject}",
        "module_name": component.module_name if component else "",
        **paths(context),
    }


def _slug(context: StepContext) -> str:
    """Build the part of a branch's name that git and every file system accept."""
    folders, name = _module_path(context)
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join([*folders, name])).strip("-")
    return slug[:_SLUG_LENGTH].rstrip("-") or str(context.session.id)


def _module_path(context: StepContext) -> tuple[list[str], str]:
    """`Shop.HTTPCart` is shop/http_cart; without a component the title stands for the module."""
    if context.component is not None:
        parts = re.split(r"[./:\\]+", context.component.module_name)
    else:
        parts = [context.session.title or ""]
    names = [name for part in parts if (name := _snake(part))]
    return names[:-1], names[-1] if names else f"session_{context.session.id}"


@functools.lru_cache(maxsize=1000)
def _snake(text: str) -> str:
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", text)
    return re.sub(r"\W+", "_", words).lower().strip("_")


def _kebab(text: str) -> str:
    return _snake(text).replace("_", "-")
