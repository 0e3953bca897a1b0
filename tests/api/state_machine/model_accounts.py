"""The other half of the model: projects, members and tokens, which decide who sees what."""

from tests.api.state_machine.model import ADMINISTRATORS, Member, Refused, Token, Visitor

_ALLOWED = {"viewer": {"read"}, "editor": {"read", "write"}}


def create_project(visitor: Visitor, slug: str) -> None:
    _require_whole_account(visitor)
    if slug in visitor.account.projects.values():
        raise Refused(409, "slug_taken")


def delete_project(visitor: Visitor, project_id: int) -> None:
    """Its tokens go, its work stays without a project."""
    account = visitor.account
    visitor.require_project(project_id)
    visitor.require(ADMINISTRATORS)
    del account.projects[project_id]
    for session in account.sessions.values():
        if session.project_id == project_id:
            session.project_id = None
            session.version += 1
    for member in account.members.values():
        if member.active_project_id == project_id:
            member.active_project_id = None
    for token in list(account.tokens.values()):
        if token.project_id == project_id:
            del account.tokens[token.id]


def set_active_project(visitor: Visitor, project_id: int | None) -> None:
    _require_whole_account(visitor)
    if project_id is not None:
        visitor.require_project(project_id)
    visitor.member.active_project_id = project_id


def create_member(visitor: Visitor, role: str) -> None:
    visitor.require(ADMINISTRATORS)
    _require_whole_account(visitor)
    _require_rank(visitor, role)


def update_member(
    visitor: Visitor, member_id: int, role: str | None, is_active: bool | None
) -> Member:
    visitor.require(ADMINISTRATORS)
    _require_whole_account(visitor)
    member = _member(visitor, member_id)
    role = member.role if role is None else role
    is_active = member.is_active if is_active is None else is_active
    _require_rank(visitor, member.role)
    _require_rank(visitor, role)
    if role != "owner" or not is_active:
        _require_another_owner(visitor, member)
    member.role, member.is_active = role, is_active
    return member


def delete_member(visitor: Visitor, member_id: int) -> None:
    visitor.require(ADMINISTRATORS)
    _require_whole_account(visitor)
    member = _member(visitor, member_id)
    _require_rank(visitor, member.role)
    _require_another_owner(visitor, member)
    account = visitor.account
    del account.members[member_id]
    for token in list(account.tokens.values()):
        if token.user_id == member.user_id:
            del account.tokens[token.id]


def create_token(visitor: Visitor, scopes: list[str], project_id: int | None) -> int | None:
    """The project that the new token never leaves."""
    if not set(scopes) <= _ALLOWED.get(visitor.role, {"read", "write", "admin"}):
        raise Refused(403, "forbidden")
    own = visitor.token.project_id
    wanted = own if project_id is None else project_id
    if own not in {None, wanted}:
        raise Refused(404, "not_found")
    if wanted is not None:
        visitor.require_project(wanted)
    return wanted


def visible_tokens(visitor: Visitor) -> list[Token]:
    """One's own, or everybody's; to a token made for one project, those of that project."""
    project_id = visitor.token.project_id
    return [
        token
        for token in visitor.account.tokens.values()
        if (visitor.role in ADMINISTRATORS or token.user_id == visitor.member.user_id)
        and project_id in {None, token.project_id}
    ]


def revoke_token(visitor: Visitor, token_id: int) -> Token:
    token = visitor.account.tokens.get(token_id)
    if token is None or token not in visible_tokens(visitor):
        raise Refused(404, "not_found")
    token.is_revoked = True
    return token


def _require_whole_account(visitor: Visitor) -> None:
    if visitor.token.project_id is not None:
        raise Refused(403, "forbidden")


def _member(visitor: Visitor, member_id: int) -> Member:
    if member_id not in visitor.account.members:
        raise Refused(404, "not_found")
    return visitor.account.members[member_id]


def _require_rank(visitor: Visitor, role: str) -> None:
    if role == "owner" and visitor.role != "owner":
        raise Refused(403, "forbidden")


def _require_another_owner(visitor: Visitor, member: Member) -> None:
    owners = [m for m in visitor.account.members.values() if m.role == "owner" and m.is_active]
    if owners == [member]:
        raise Refused(409, "last_owner")
