"""Settings of an account for its long-running agents, and what retention finds."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from app.schemas.base import Input, Output

Days = Annotated[int, Meta(ge=1, le=36_500)]


class ContinuitySettingsUpdate(Input):
    stale_minutes: Annotated[int, Meta(ge=1, le=10_080)] | UnsetType = UNSET
    session_days: Days | UnsetType = UNSET
    command_days: Days | UnsetType = UNSET
    event_days: Days | UnsetType = UNSET
    checkpoint_days: Days | UnsetType = UNSET
    checkpoint_on_epic_completed: bool | UnsetType = UNSET


class ContinuitySettingsOut(Output):
    stale_minutes: int
    session_days: int
    command_days: int
    event_days: int
    checkpoint_days: int
    checkpoint_on_epic_completed: bool


class Expired(Output):
    """What retention removes, or would; `instances` are the closed ones that are removed as a
    whole."""

    instances: list[str]
    commands: int
    events: int
    checkpoints: int

    def is_empty(self) -> bool:
        return not (self.instances or self.commands or self.events or self.checkpoints)

    def plus(self, other: "Expired") -> "Expired":
        return Expired(
            instances=self.instances + other.instances,
            commands=self.commands + other.commands,
            events=self.events + other.events,
            checkpoints=self.checkpoints + other.checkpoints,
        )
