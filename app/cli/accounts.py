"""`account`, `member` and `token`: run on the server's machine and need no token."""

import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from app.cli.local import data_dir_option, with_database
from app.cli.output import ROW_ID, choice, json_option, print_json, print_text
from app.contexts import accounts
from app.db import Database, Role, Tenant
from app.errors import Invalid
from app.schemas.accounts import (
    AccountCreate,
    AccountOut,
    MemberCreate,
    MemberOut,
    MemberRole,
    TokenCreate,
    TokenOut,
    TokenScope,
    UserOut,
)
from app.schemas.projects import ProjectOut
from app.schemas.rendering import rendered

account_option = click.option(
    "--account", "account_id", type=ROW_ID, required=True, help="The account's id."
)
email_option = click.option("--email", required=True)
_NOBODY = Tenant(account_id=0, role=Role.SYSTEM)


@click.group()
def account() -> None:
    """Accounts of this server."""


@account.command("create")
@click.option("--name", required=True)
@click.option("--owner", "owner_email", required=True, help="E-mail address of the owner.")
@click.option("--slug", help="Default: derived from the name.")
@data_dir_option
@json_option
def create_account(
    name: str, owner_email: str, slug: str | None, data_dir: Path, *, as_json: bool
) -> None:
    """Create an account with a project `default`, and a token for its owner."""
    _valid({"email": owner_email, "role": "owner"}, MemberCreate)

    async def create(database: Database) -> dict[str, Any]:
        async with database.transaction(_NOBODY) as db:
            free = slug or await accounts.free_slug(db, name)
            data = _valid({"name": name, "slug": free}, AccountCreate)
            new = await accounts.create_first_account(db, data, owner_email)
        return {
            "account": rendered(new.account, AccountOut),
            "project": rendered(new.project, ProjectOut),
            "user": rendered(new.user, UserOut),
            "token": new.token,
        }

    _show(with_database(data_dir, create), as_json=as_json)


@click.group()
def member() -> None:
    """Members of an account."""


@member.command("add")
@account_option
@email_option
@click.option("--role", type=choice(MemberRole), required=True)
@data_dir_option
@json_option
def add_member(account_id: int, email: str, role: str, data_dir: Path, *, as_json: bool) -> None:
    """Add a member, with a token that allows what the role allows."""
    data = _valid({"email": email, "role": role}, MemberCreate)

    async def add(database: Database) -> dict[str, Any]:
        async with database.transaction(_system(account_id)) as db:
            scope = await accounts.operator_scope(db, account_id)
            created = await accounts.create_member(scope, db, data)
            token = await accounts.create_token_for(
                scope, db, created.user_id, name="first token", scopes=["admin"]
            )
            return {"member": rendered(created, MemberOut), "token": token.secret}

    _show(with_database(data_dir, add), as_json=as_json)


@click.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@account_option
@email_option
@click.option("--project", "project_id", type=ROW_ID, help="The only project the token can see.")
@click.option("--scope", type=choice(TokenScope), default="write", show_default=True)
@click.option("--expires-in-days", type=click.IntRange(1, 36500))
@click.option("--name", default="command line", show_default=True)
@data_dir_option
@json_option
def create_token(
    account_id: int,
    email: str,
    project_id: int | None,
    scope: str,
    expires_in_days: int | None,
    name: str,
    data_dir: Path,
    *,
    as_json: bool,
) -> None:
    """Create a token for a member. It is shown only once."""
    _valid({"name": name}, TokenCreate)
    expires_at = None
    if expires_in_days is not None:
        expires_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(expires_in_days)

    async def create(database: Database) -> dict[str, Any]:
        async with database.transaction(_system(account_id)) as db:
            operator = await accounts.operator_scope(db, account_id)
            owner = await accounts.find_member(operator, db, email)
            new = await accounts.create_token_for(
                operator,
                db,
                owner.user_id,
                name=name,
                scopes=[scope],
                project_id=project_id,
                expires_at=expires_at,
            )
            fields = msgspec.structs.asdict(rendered(new.token, TokenOut))
            return {"token": new.secret, **fields}

    _show(with_database(data_dir, create), as_json=as_json)


@token.command("revoke")
@account_option
@click.argument("token_id", type=ROW_ID)
@data_dir_option
@json_option
def revoke_token(account_id: int, token_id: int, data_dir: Path, *, as_json: bool) -> None:
    """Revoke a token by its number: the <n> in as_<account>-<n>_…"""

    async def revoke(database: Database) -> dict[str, Any]:
        async with database.transaction(_system(account_id)) as db:
            scope = await accounts.operator_scope(db, account_id)
            revoked = await accounts.revoke_token(scope, db, token_id)
            return msgspec.structs.asdict(rendered(revoked, TokenOut))

    _show(with_database(data_dir, revoke), as_json=as_json)


def _system(account_id: int) -> Tenant:
    return Tenant(account_id=account_id, role=Role.SYSTEM)


def _valid(fields: dict[str, Any], schema: type[Any]) -> Any:
    try:
        return msgspec.convert(fields, schema)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise Invalid.field(path.rstrip("`") or "arguments", message) from None


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for name, value in answer.items():
        fields = msgspec.to_builtins(value)
        if isinstance(fields, dict):
            fields = ", ".join(f"{k}={v}" for k, v in fields.items() if v is not None)
        if fields is not None:
            print_text(f"{name}: {fields}")
