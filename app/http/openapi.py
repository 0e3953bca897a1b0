"""Adds to OpenAPI what Litestar cannot read off the handlers."""

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


# Headers that no handler reads; they mean the same on every route that takes them.
HEADERS: dict[str, Parameter | Reference] = {
    "X-Project": _header(
        "X-Project",
        "Id or slug of the project the request is about, `*` for the whole account; without it, "
        "the token's own project or the user's active one.",
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "A request repeated with the same key gets the stored answer and is not carried out again.",
        Schema(type=OpenAPIType.STRING, min_length=1, max_length=255, pattern="^[ -~]+$"),
    ),
    "If-Match": _header(
        "If-Match",
        "ETags of the versions that may be overwritten; for any other the answer is 412.",
    ),
    "If-None-Match": _header(
        "If-None-Match",
        "ETags of the versions you already have; for one of them the answer is 304.",
    ),
}


def operation_with(*headers: str) -> type[Operation]:
    """Makes an operation class whose operations take these of the `HEADERS`."""

    @dataclass
    class DescribedOperation(Operation):
        def __post_init__(self) -> None:
            taken = [Reference(f"#/components/parameters/{header}") for header in headers]
            self.parameters = [*(self.parameters or ()), *taken]
            # Litestar describes every body as required, even an optional one.
            if isinstance(self.request_body, RequestBody):
                schemas = [content.schema for content in self.request_body.content.values()]
                self.request_body.required = not any(
                    isinstance(schema, Schema)
                    and Schema(type=OpenAPIType.NULL) in (schema.one_of or ())
                    for schema in schemas
                )

    return DescribedOperation
