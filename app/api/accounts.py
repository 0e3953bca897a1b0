import msgspec
from litestar import Response
from litestar.params import FromPath, JSONBody

from app.contexts import accounts
from app.http.dependencies import CurrentScope, OpenDb
from app.http.routing import Cursor, Limit, created, route
from app.paging import PageRequest
from app.schemas.accounts import (
    AccountCreate,
    AccountCreated,
    AccountOut,
    AccountUpdate,
    ActiveProject,
    Me,
    MemberCreate,
    MemberOut,
    MemberUpdate,
    TokenCreate,
    TokenCreated,
    TokenOut,
    TokenUpdate,
)
from app.schemas.base import Page
from app.schemas.rendering import rendered, rendered_page


@route("GET", "/api/me", reach="project", tag="account")
async def get_me(current_scope: CurrentScope, db: OpenDb) -> Me:
    me = await accounts.get_me(current_scope, db)
    return rendered(me, Me)


@route("PUT", "/api/me/active-project", reach="account", tag="account", viewers=True)
async def set_active_project(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[ActiveProject]
) -> ActiveProject:
    await accounts.set_active_project(current_scope, db, data.project_id)
    return data


@route("GET", "/api/accounts", reach="account", tag="account")
async def list_accounts(
    current_scope: CurrentScope, db: OpenDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[AccountOut]:
    page = await accounts.list_accounts(current_scope, db, PageRequest(limit, cursor))
    return rendered_page(page, AccountOut)


@route("POST", "/api/accounts", 201, reach="account", tag="account", secret=True)
async def create_account(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[AccountCreate]
) -> Response[AccountCreated]:
    new = await accounts.create_account(current_scope, db, data)
    content = AccountCreated(
        **msgspec.structs.asdict(rendered(new.account, AccountOut)), token=new.token
    )
    return created(content, f"/api/accounts/{new.account.id}")


@route("GET", "/api/accounts/{account_id:int}", reach="account", tag="account")
async def get_account(
    current_scope: CurrentScope, db: OpenDb, account_id: FromPath[int]
) -> AccountOut:
    return rendered(await accounts.get_account(current_scope, db, account_id), AccountOut)


@route("PATCH", "/api/accounts/{account_id:int}", reach="account", tag="account", also=[409])
async def update_account(
    current_scope: CurrentScope,
    db: OpenDb,
    account_id: FromPath[int],
    data: JSONBody[AccountUpdate],
) -> AccountOut:
    account = await accounts.update_account(current_scope, db, account_id, data)
    return rendered(account, AccountOut)


@route("DELETE", "/api/accounts/{account_id:int}", 204, reach="account", tag="account", also=[409])
async def delete_account(
    current_scope: CurrentScope, db: OpenDb, account_id: FromPath[int]
) -> None:
    await accounts.delete_account(current_scope, db, account_id)


@route("GET", "/api/members", reach="account", tag="members")
async def list_members(
    current_scope: CurrentScope, db: OpenDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[MemberOut]:
    page = await accounts.list_members(current_scope, db, PageRequest(limit, cursor))
    return rendered_page(page, MemberOut)


@route("POST", "/api/members", 201, reach="account", tag="members")
async def create_member(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[MemberCreate]
) -> Response[MemberOut]:
    member = await accounts.create_member(current_scope, db, data)
    return created(rendered(member, MemberOut), f"/api/members/{member.id}")


@route("GET", "/api/members/{member_id:int}", reach="account", tag="members")
async def get_member(
    current_scope: CurrentScope, db: OpenDb, member_id: FromPath[int]
) -> MemberOut:
    return rendered(await accounts.get_member(current_scope, db, member_id), MemberOut)


@route("PATCH", "/api/members/{member_id:int}", reach="account", tag="members", also=[409])
async def update_member(
    current_scope: CurrentScope, db: OpenDb, member_id: FromPath[int], data: JSONBody[MemberUpdate]
) -> MemberOut:
    member = await accounts.update_member(current_scope, db, member_id, data)
    return rendered(member, MemberOut)


@route("DELETE", "/api/members/{member_id:int}", 204, reach="account", tag="members", also=[409])
async def delete_member(current_scope: CurrentScope, db: OpenDb, member_id: FromPath[int]) -> None:
    await accounts.delete_member(current_scope, db, member_id)


@route("GET", "/api/tokens", reach="project", tag="tokens")
async def list_tokens(
    current_scope: CurrentScope, db: OpenDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[TokenOut]:
    page = await accounts.list_tokens(current_scope, db, PageRequest(limit, cursor))
    return rendered_page(page, TokenOut)


@route("POST", "/api/tokens", 201, reach="project", tag="tokens", viewers=True, secret=True)
async def create_token(
    current_scope: CurrentScope, db: OpenDb, data: JSONBody[TokenCreate]
) -> Response[TokenCreated]:
    new = await accounts.create_token(current_scope, db, data)
    content = TokenCreated(
        **msgspec.structs.asdict(rendered(new.token, TokenOut)), token=new.secret
    )
    return created(content, f"/api/tokens/{new.token.id}")


@route("GET", "/api/tokens/{token_id:int}", reach="project", tag="tokens")
async def get_token(current_scope: CurrentScope, db: OpenDb, token_id: FromPath[int]) -> TokenOut:
    return rendered(await accounts.get_token(current_scope, db, token_id), TokenOut)


@route("PATCH", "/api/tokens/{token_id:int}", reach="project", tag="tokens", viewers=True)
async def update_token(
    current_scope: CurrentScope, db: OpenDb, token_id: FromPath[int], data: JSONBody[TokenUpdate]
) -> TokenOut:
    return rendered(await accounts.update_token(current_scope, db, token_id, data), TokenOut)


@route("DELETE", "/api/tokens/{token_id:int}", 204, reach="project", tag="tokens", viewers=True)
async def revoke_token(current_scope: CurrentScope, db: OpenDb, token_id: FromPath[int]) -> None:
    await accounts.revoke_token(current_scope, db, token_id)
