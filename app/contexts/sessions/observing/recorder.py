"""The interactions of a recorded session, step by step.

Events arrive in any order, twice, or not at all, so each one creates whatever it finds missing.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from app.contexts.sessions import history
from app.contexts.sessions.history import Locked, digest, stored_interaction
from app.contexts.sessions.observing import results
from app.contexts.sessions.observing.matching import (
    Candidates,
    began_unseen,
    has_content,
    has_key,
    is_left_open_by,
    is_open,
)
from app.db import Db
from app.models.base import new_uuid
from app.schemas.hooks import PROMPTS, Closing, Step
from app.schemas.sessions import (
    CommandInput,
    InteractionInput,
    Posted,
    ResultInput,
    StoredInteraction,
)
from app.scope import Scope

_NAMESPACE = uuid.UUID("7d9c3c2e-0d5c-4b1c-9a33-5b4a3f0f6f3e")


class Recorder:
    """Applies the steps of one write to a locked session.

    Afterwards `new` interactions are to be added, `changed` ones stored in their place, and each
    of `names` is another id of an interaction.
    """

    def __init__(self, scope: Scope, db: Db, locked: Locked, *, live: bool) -> None:
        self._scope = scope
        self._db = db
        self._locked = locked
        self._live = live
        self._namespace = uuid.uuid5(_NAMESPACE, f"{scope.account_id}/{locked.session.id}")
        self._known: dict[uuid.UUID, StoredInteraction] = {}
        self._candidates = Candidates(scope, db, locked, {})
        self._changed: dict[uuid.UUID, StoredInteraction] = {}
        self.names: list[tuple[StoredInteraction, uuid.UUID]] = []

    @property
    def new(self) -> list[StoredInteraction]:
        return self._candidates.new

    @property
    def changed(self) -> list[StoredInteraction]:
        return list(self._changed.values())

    async def take(self, steps: Sequence[Step | Closing]) -> bool:
        """Apply the steps in their order, and tell whether any begins a new interaction."""
        ids = {i for step in steps if isinstance(step, Step) for i in self._ids(step)}
        if ids:
            self._known = await history.find(self._scope, self._db, self._locked, ids)
            self._candidates = Candidates(self._scope, self._db, self._locked, self._known)
        began = False
        for step in steps:
            if isinstance(step, Closing):
                if began or not step.if_new:
                    await self.close(step)
                continue
            before = len(self.new)
            if step.result is None:
                await self._begin(step)
            else:
                await self._end(step, step.result)
            began = len(self.new) > before
        return bool(self.new)

    async def close(self, closing: Closing) -> None:
        spared = self.new[-1:] if closing.if_new else []
        now = self._locked.session.now
        for document in await self._candidates.find(is_left_open_by(closing)):
            if document in spared:
                continue
            result = ResultInput(status=closing.status, error_message=closing.reason)
            results.settle(document, result, now=now, fingerprint=results.CLOSURE)
            self._note(document)

    async def _begin(self, step: Step) -> None:
        document = await self._find_beginning(step)
        if document is not None:
            if results.complete_beginning(document, step):
                self._note(document)
            self._name(document, step)
        elif step.creates:
            self._create(step)

    async def _find_beginning(self, step: Step) -> StoredInteraction | None:
        if step.key is None:
            return await self._find_unnamed_beginning(step)
        document = self._known.get(self._key_id(step.key))
        if document is None or not document.command.command or has_content(document, step):
            return document
        return self._known.get(self._content_id(step))

    async def _find_unnamed_beginning(self, step: Step) -> StoredInteraction | None:
        if step.exact and (replayed := self._replayed(step)) is not None:
            return replayed
        if step.finds == "newest":
            found = await self._find_open(step)
            message = step.metadata.get(results.ANSWER_OF)
            own = found is not None and found.command.metadata.get("message_id") == message
            return None if own and message is not None else found

        def said(document: StoredInteraction) -> bool:
            if document.command.module != step.module or not has_content(document, step):
                return False
            if began_unseen(document, step):
                return True
            # An event that others may equal could be the beginning of this interaction once more.
            return not step.exact and document.result is None

        return next(iter(await self._candidates.find(said)), None)

    async def _end(self, step: Step, result: ResultInput) -> None:
        documents = await self._find_ended(step)
        if not documents:
            if step.creates:
                self._create(step)
            return
        newest, now = documents[-1], self._locked.session.now
        if results.apply(newest, step, result, now=now, live=self._live):
            self._note(newest)
        self._name(newest, step)
        for document in documents[:-1]:
            results.settle(document, ResultInput(status=result.status), now=now, at=step.at)
            self._note(document)

    async def _find_ended(self, step: Step) -> list[StoredInteraction]:
        """Find the interactions that a step ends, the one that takes its result last."""
        if step.key is None:
            replayed = self._replayed(step)
            if not (step.exact and replayed):
                replayed = await self._find_open(step) or replayed
            return [] if replayed is None else [replayed]
        named = self._known.get(self._key_id(step.key))
        again = self._known.get(self._content_id(step))
        if not step.ends_all:
            found = again or named
            if found is None or again is found or is_open(found) or not results.tells_content(step):
                return [] if found is None else [found]
            # Else the id has been used again, for a call whose beginning was not seen.
            same = has_content(found, step) or results.is_told_by(found, step)
            return [found] if same or step.settles == "if_open" else []
        own = await self._candidates.find(has_key(step.key))
        if named is not None and named not in own:
            own.insert(0, named)
        return [document for document in own if is_open(document)] or own[-1:]

    async def _find_open(self, step: Step) -> StoredInteraction | None:
        modules = PROMPTS if step.module in PROMPTS else {step.module}

        def meant(document: StoredInteraction) -> bool:
            if document.command.module not in modules or not is_open(document):
                return False
            return step.finds == "newest" or has_content(document, step)

        matches = await self._candidates.find(meant)
        pending = [document for document in matches if document.result is None]
        found = pending or matches
        return found[-1 if step.finds == "newest" else 0] if found else None

    def _create(self, step: Step) -> None:
        document = self._document(self._new_id(step), step)
        self._known[document.id] = document
        self.new.append(document)

    def _new_id(self, step: Step) -> uuid.UUID:
        if step.key is not None:
            primary = self._key_id(step.key)
            return self._content_id(step) if primary in self._known else primary
        if step.replay is None or self._replayed(step) is not None:
            return new_uuid()
        return self._replay_id(step.replay)

    def _document(self, interaction_id: uuid.UUID, step: Step) -> StoredInteraction:
        document = stored_interaction(
            InteractionInput(
                id=interaction_id,
                command=CommandInput(
                    module=step.module,
                    command=step.command,
                    metadata=step.metadata,
                    timestamp=step.at,
                ),
            ),
            self._locked.session.now,
        )
        posted = Posted() if document.posted is UNSET else document.posted
        document.posted = Posted(interaction=posted.interaction, key=step.key)
        if step.result is not None:
            results.settle_by(document, step, step.result, now=self._locked.session.now)
        return document

    def _note(self, document: StoredInteraction) -> None:
        if document.seq:
            self._changed[document.id] = document

    def _name(self, document: StoredInteraction, step: Step) -> None:
        """Let an interaction answer to an event without an id, so that a replay finds it."""
        if step.key is not None or step.replay is None or self._replayed(step) is not None:
            return
        name = self._replay_id(step.replay)
        self._known[name] = document
        self.names.append((document, name))

    def _ids(self, step: Step) -> list[uuid.UUID]:
        if step.key is not None:
            return [self._key_id(step.key), self._content_id(step)]
        return [] if step.replay is None else [self._replay_id(step.replay)]

    def _replayed(self, step: Step) -> StoredInteraction | None:
        return None if step.replay is None else self._known.get(self._replay_id(step.replay))

    def _key_id(self, key: str) -> uuid.UUID:
        return uuid.uuid5(self._namespace, key)

    def _content_id(self, step: Step) -> uuid.UUID:
        content: list[Any] = [step.key, step.command, step.metadata.get("tool_input")]
        return uuid.uuid5(self._namespace, digest(content))

    def _replay_id(self, replay: str) -> uuid.UUID:
        return uuid.uuid5(self._namespace, replay)
