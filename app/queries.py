"""Named parameters for hot statements: `:name` in the text, `$n` for PostgreSQL.

class Touch(NamedTuple):
    account_id: int
    token_id: int

TOUCH = Query(Touch, "UPDATE … WHERE account_id = :account_id AND id = :token_id")

await db.driver.execute(*TOUCH(Touch(scope.account_id, token_id)))
"""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Generic, TypeVar

Parameters = TypeVar("Parameters")

# Literals, quoted names and comments are skipped, and so is what only looks like a name: a cast
# (`::bigint`) and an array's slice (`[1:n]`).
_PLACEHOLDER = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|(?<![:\w]):(?P<name>[a-z_][a-z0-9_]*)|(?P<number>\$\d)"""
)


class Query(Generic[Parameters]):
    """A statement and the struct (msgspec.Struct, NamedTuple) whose fields are its parameters.

    `sql` numbers them in the order of the fields. Raises ValueError, when its module is imported,
    for a placeholder that is not a field and for a field without a placeholder.
    """

    def __init__(self, parameters: type[Parameters], statement: str) -> None:
        names = _fields(parameters)
        numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
        used: set[str] = set()

        def numbered(found: re.Match[str]) -> str:
            name = found["name"]
            if found["number"]:
                raise ValueError(f"{found['number']} is not a name: {statement}")
            if name is None:
                return found[0]
            if name not in numbers:
                raise ValueError(f"{parameters.__name__} has no field {name}: {statement}")
            used.add(name)
            return numbers[name]

        self.sql = _PLACEHOLDER.sub(numbered, statement)
        if unused := set(names) - used:
            raise ValueError(f"{', '.join(sorted(unused))}: not used in {statement}")
        self._values = _values(parameters, names)

    def __call__(self, parameters: Parameters) -> tuple[Any, ...]:
        """The statement, then its parameters: what asyncpg's methods take."""
        values: Any = parameters if self._values is None else self._values(parameters)
        return (self.sql, *values)


def project_wall(parameter: str, table: str = "") -> str:
    """The condition that hides the rows of other projects: `parameter` (`:name` or `$n`) is the
    only visible project, or NULL for the whole account. It is NULL, not false, for a row without
    a project; `coalesce(…, false)` where it is shown."""
    column = f"{table}.project_id" if table else "project_id"
    return f"({parameter}::bigint IS NULL OR {column} = {parameter})"


def _fields(parameters: type[Any]) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(parameters, "__struct_fields__", None) or parameters._fields
    return names


def _values(
    parameters: type[Any], names: tuple[str, ...]
) -> Callable[[Any], tuple[Any, ...]] | None:
    """None for a NamedTuple, which is the tuple of its values."""
    if issubclass(parameters, tuple):
        return None
    if len(names) == 1:
        return lambda given: (getattr(given, names[0]),)
    return attrgetter(*names)
