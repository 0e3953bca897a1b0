"""What handlers ask for by name."""

import msgspec
import pytest

from app.http.dependencies import query_filters


class Filter(msgspec.Struct):
    status: str | None = None


def test_filters_that_are_not_the_structs_fields_are_refused() -> None:
    for parameters in ({}, {"status": str | None, "other": str | None}):
        with pytest.raises(ValueError, match="Filter has other fields"):
            query_filters(Filter, **parameters)
