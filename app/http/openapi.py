"""What OpenAPI says of operations beyond what Litestar reads off their handlers."""

from dataclasses import dataclass

from litestar.openapi.spec import (
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)


def _header(name: str, description: str, schema: Schema | None = None) -> Parameter:
    text = schema or Schema(type=OpenAPIType.STRING)
    return Parameter(name, "header", schema=text, description=description)


# Those that no handler reads: they mean the same to every route that takes them.
HEADERS: dict[str, Parameter | Reference] = {
    "X-Project": _header(
        "X-Project",
        "Id or slug of the project the request is about, `*` for the whole account; without it, "
        "the token's own project or the user's active one.",
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "Sent again with the same key, the request is answered as before and not carried out.",
        Schema(type=OpenAPIType.STRING, min_length=1, max_length=255, pattern="^[ -~]+$"),
    ),
    "If-Match": _header(
        "If-Match", "ETags of the versions that may be overwritten: for any other, 412."
    ),
    "If-None-Match": _header(
        "If-None-Match", "ETags of the versions that are known already: for one of them, 304."
    ),
}


def operation_with(*headers: str) -> type[Operation]:
    """An operation that takes these of the `HEADERS`."""

    @dataclass
    class DescribedOperation(Operation):
        def __post_init__(self) -> None:
            taken = [Reference(f"#/components/parameters/{header}") for header in headers]
            self.parameters = [*(self.parameters or ()), *taken]
            # Litestar describes every body as required, also one that a verb can do without.
            if isinstance(self.request_body, RequestBody):
                schemas = [content.schema for content in self.request_body.content.values()]
                self.request_body.required = not any(
                    isinstance(schema, Schema)
                    and Schema(type=OpenAPIType.NULL) in (schema.one_of or ())
                    for schema in schemas
                )

    return DescribedOperation
