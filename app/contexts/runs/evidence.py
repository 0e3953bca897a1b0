"""What a run leaves behind, posted one by one or in batches, of which all is stored or nothing.

A transaction that adds evidence holds the run's row, so that finishing it, chains of states and
positions are decided one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, or_
from sqlalchemy.orm import InstrumentedAttribute

from app import feed
from app.cleaning import clean
from app.contexts.runs.keys import among, id_taken, key_in_other_project
from app.contexts.runs.kinds import RELATION, STATE, Kind
from app.contexts.runs.runs import get_run, lock_unfinished
from app.db import Db
from app.errors import Conflict, FieldError, Invalid
from app.models import Run, RunState
from app.models.base import new_uuid
from app.models.evidence import Evidence
from app.paging import PageRequest, fetch_page
from app.schemas.base import Input, Page
from app.schemas.evidence import INITIAL
from app.scope import Scope


async def list_run_evidence(
    scope: Scope, db: Db, kind: Kind, run_id: str, request: PageRequest
) -> Page[Evidence]:
    """Lists one kind of evidence in the order of posting."""
    await get_run(scope, db, run_id)
    statement = scope.select(kind.model).where(kind.model.session_id == run_id)
    return await fetch_page(db, statement, [kind.model.position], request, descending=False)


async def add_run_evidence(
    scope: Scope, db: Db, kind: Kind, run_id: str, posted: Input | Sequence[Input]
) -> list[Evidence]:
    """`posted` are `kind.input`; a parent comes before its children, if need be in the same batch.

    Raises Conflict `run_finished`, `id_taken`, `key_in_other_project`, or `state_chain` when a
    transition does not start where the one before it, of the same entry or of the run itself,
    ended; Invalid for a reference that leads out of the run and for an issue related to itself. The
    error names the row when there are several.
    """
    scope.require_write()
    run = await lock_unfinished(scope, db, run_id)
    batch = _Batch(kind, posted)
    batch.refuse_repeated_ids()
    await _refuse_taken_ids(scope, db, batch)
    await _refuse_strangers(scope, db, run_id, batch)
    if kind is STATE:
        await _refuse_broken_chain(scope, db, run_id, batch)
    last = scope.select(kind.model).where(kind.model.session_id == run_id)
    position = await db.session.scalar(last.with_only_columns(func.max(kind.model.position)))
    now = await db.now()
    rows = []
    for index, fields in enumerate(batch.rows, (position or 0) + 1):
        if "transitioned_at" in fields:
            fields["transitioned_at"] = fields["transitioned_at"] or now
        rows.append(scope.build(kind.model, session_id=run_id, position=index, **_clean(fields)))
    db.session.add_all(rows)
    await db.session.flush()  # a reference in the next call of this transaction must find them
    event = f"run.{kind.name}_added"
    feed.record(scope, db, event, run_id, project_id=run.project_id, count=len(rows))
    return rows


class _Batch:
    """The posted rows as fields, each with its id."""

    def __init__(self, kind: Kind, posted: Input | Sequence[Input]) -> None:
        self.single = isinstance(posted, Input)
        structs = [posted] if isinstance(posted, Input) else posted
        self.kind = kind
        self.rows = [msgspec.structs.asdict(struct) for struct in structs]
        for row in self.rows:
            row[kind.key] = row[kind.key] or str(new_uuid())
        self.ids = [row[kind.key] for row in self.rows]

    def path(self, index: int, name: str) -> str:
        return name if self.single else f"{index}.{name}"

    def values(self, name: str) -> Iterator[tuple[int, str]]:
        return ((i, row[name]) for i, row in enumerate(self.rows) if row[name] is not None)

    def refuse_repeated_ids(self) -> None:
        first = {key: index for index, key in reversed(list(enumerate(self.ids)))}
        repeated = [index for index, key in enumerate(self.ids) if first[key] != index]
        if repeated:
            message = "is the id of an earlier row of this batch"
            raise Invalid(*(FieldError(self.path(i, self.kind.key), message) for i in repeated))


async def _refuse_taken_ids(scope: Scope, db: Db, batch: _Batch) -> None:
    """Raises Conflict `id_taken` or `key_in_other_project`."""
    kind = batch.kind
    column: InstrumentedAttribute[str] = getattr(kind.model, kind.key)
    statement = scope.account_wide().select(kind.model).where(among(column, batch.ids))
    found = await db.session.execute(
        statement.with_only_columns(column, kind.model.session_id).order_by(column).limit(1)
    )
    for key, run_id in found:
        path = batch.path(batch.ids.index(key), kind.key)
        visible = scope.select(Run).where(Run.orchestration_session_id == run_id)
        if await db.session.scalar(visible) is None:
            raise key_in_other_project(key, path=path)
        raise id_taken(key, path=path)


async def _refuse_strangers(scope: Scope, db: Db, run_id: str, batch: _Batch) -> None:
    """Raises Invalid for each reference that leads out of the run."""
    errors = []
    order = {key: index for index, key in enumerate(batch.ids)}
    for name, (model, key_name) in batch.kind.references.items():
        wanted = {value for _, value in batch.values(name)}
        if not wanted:
            continue
        column: InstrumentedAttribute[str] = getattr(model, key_name)
        statement = scope.select(model).where(
            model.session_id == run_id, among(column, sorted(wanted))
        )
        known = set(await db.session.scalars(statement.with_only_columns(column)))
        own = model is batch.kind.model
        for index, value in batch.values(name):
            earlier = own and order.get(value, index) < index
            if value not in known and not earlier:
                message = f"is no {key_name.split('_')[-2]} of this run"
                errors.append(FieldError(batch.path(index, name), message))
    if batch.kind is RELATION:
        errors += [
            FieldError(batch.path(index, "issue_id_rel"), "must be another issue")
            for index, row in enumerate(batch.rows)
            if row["issue_id_rel"] == row["issue_id_prime"]
        ]
    if errors:
        raise Invalid(*errors)


async def _refuse_broken_chain(scope: Scope, db: Db, run_id: str, batch: _Batch) -> None:
    """Raises Conflict `state_chain`."""
    entries = sorted({value for _, value in batch.values("session_entry_id")})
    newest = (
        scope.select(RunState)
        .where(RunState.session_id == run_id)
        .where(
            or_(
                RunState.session_entry_id.is_(None),
                among(RunState.session_entry_id, entries),
            )
        )
        .with_only_columns(RunState.session_entry_id, RunState.to_state)
        .order_by(RunState.session_entry_id, RunState.position.desc())
        .distinct(RunState.session_entry_id)
    )
    last: dict[str | None, str] = dict((await db.session.execute(newest)).tuples().all())
    for index, row in enumerate(batch.rows):
        expected = last.get(row["session_entry_id"], INITIAL)
        if row["from_state"] != expected:
            raise Conflict(
                f"The transition must start from {expected}.",
                code="state_chain",
                path=batch.path(index, "from_state"),
                expected=expected,
                given=row["from_state"],
            )
        last[row["session_entry_id"]] = row["to_state"]


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    """Leaves ids and names of states alone, since other rows refer to them."""
    return {
        name: value
        if name.endswith(("_id", "_state")) or name.startswith("issue_id_")
        else clean(value)
        for name, value in fields.items()
    }
