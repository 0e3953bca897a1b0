"""What every table has in common."""

import datetime
from typing import Any, ClassVar
from uuid import UUID

import uuid_utils.compat
from advanced_alchemy.base import CommonTableAttributes
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import BigInteger, FetchedValue, ForeignKey, Identity, MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedColumn,
    QueryableAttribute,
    mapped_column,
)
from sqlalchemy.types import Text


class JSONB(postgresql.JSONB):
    """Writes every assigned value. To Python `True` equals `1`, so that a change from one to the
    other would be missed."""

    def compare_values(self, x: object, y: object) -> bool:
        return x is y


class Base(CommonTableAttributes, DeclarativeBase):
    """Identifiers are bigint, strings text and times timestamptz unless a column says otherwise."""

    __abstract__ = True

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        UUID: postgresql.UUID,
        dict[str, Any]: JSONB,
        datetime.datetime: DateTimeUTC(timezone=True),
    }


def new_uuid() -> UUID:
    """A UUIDv7, made here because PostgreSQL makes them only from version 18 on."""
    return uuid_utils.compat.uuid7()


def identity() -> MappedColumn[int]:
    """The second half of a tenant's key `(account_id, id)`."""
    return mapped_column(BigInteger, Identity(), primary_key=True)


def account_of_parent() -> MappedColumn[int]:
    """The account of a row whose parent already refers to it. In tables to which every append adds
    rows, a second foreign key would take a twentieth of a batch's time."""
    return mapped_column(BigInteger, primary_key=True, sort_order=-1)


def now_column(*, on_update: bool = False) -> MappedColumn[datetime.datetime]:
    """A time from the database clock; `on_update` sets it on every update by the ORM as well."""
    return mapped_column(
        DateTimeUTC(timezone=True),
        server_default=text("now()"),
        onupdate=text("clock_timestamp()") if on_update else None,
        server_onupdate=FetchedValue() if on_update else None,
    )


class TenantOwned(Base):
    """A row of one account; its table has row-level security."""

    __abstract__ = True

    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="RESTRICT"), primary_key=True, sort_order=-1
    )

    @classmethod
    def project_column(cls) -> QueryableAttribute[Any] | None:
        """The column by which a strict project narrows this table, if there is one."""
        return None


class ProjectOwned(TenantOwned):
    """A root row, stamped with the project in which it was created."""

    __abstract__ = True

    project_id: Mapped[int | None]

    @classmethod
    def project_column(cls) -> QueryableAttribute[Any] | None:
        return cls.project_id
