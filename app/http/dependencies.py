"""What handlers ask for by the name of a parameter: `current_scope`, `db` and `filters`."""

import datetime
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args, get_origin

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from app.db import Db
from app.http.routing import parse_moment
from app.scope import Scope

CurrentScope = NamedDependency[Scope]
OpenDb = NamedDependency[Db]


def query_filters(schema: type[msgspec.Struct], **parameters: Any) -> Mapping[str, Provide]:
    """The dependency `filters` of a list: a struct whose fields are optional query parameters.

    `parameters` are their types, or annotations that say more. A time (`Moment`) becomes a
    datetime. Raises ValueError, when its module is imported, unless they are the struct's fields.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(schema)}
    if set(parameters) != set(types):
        raise ValueError(f"{schema.__name__} has other fields than {sorted(parameters)}")
    moments = [name for name, kind in types.items() if datetime.datetime in get_args(kind)]

    def provide(db: OpenDb, **given: Any) -> Any:
        for name in moments:
            given[name] = parse_moment(name, given[name])
        return schema(**given)

    # It depends on `db` only to be resolved after it: Litestar starts a task for each of several
    # dependencies that it could resolve at the same time.
    annotations = {"db": OpenDb}
    from_query: Any = FromQuery
    for name, kind in parameters.items():
        annotations[name] = kind if get_origin(kind) is Annotated else from_query[kind]
    provide.__annotations__ = {**annotations, "return": schema}
    provide.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=Parameter.empty if name == "db" else None,
            )
            for name, annotation in annotations.items()
        ]
    )
    return {"filters": Provide(provide, sync_to_thread=False)}
