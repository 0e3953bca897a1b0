"""What the server should say about sessions, projects, members and tokens, as plain Python.

No database, no HTTP, nothing shared with the application: an operation changes the model or raises
`Refused` with the status and the code that the server must answer.
"""

from dataclasses import dataclass, field
from typing import Any

WRITERS = ("owner", "admin", "editor")
ADMINISTRATORS = ("owner", "admin")
WORKFLOW = "ComponentCodingSessions"
RECORDED = "RecordedSessions"


class Refused(Exception):
    """Its arguments are the status and the code."""


@dataclass(eq=False)
class Interaction:
    id: str
    command: str
    stdout: str | None
    posted: dict[str, Any] | None
    """The body it came with, where the client gave it an id."""


@dataclass(eq=False)
class Session:
    project_id: int | None
    type: str
    title: str | None
    state: dict[str, Any]
    external_id: str | None
    parent_session_id: int | None
    user_id: int
    id: int = 0
    status: str = "active"
    version: int = 1
    interactions: list[Interaction] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "interactions"}
        return {**kept, "interaction_count": len(self.interactions)}


@dataclass(eq=False)
class Member:
    id: int
    user_id: int
    role: str
    is_active: bool = True
    active_project_id: int | None = None


@dataclass(eq=False)
class Token:
    id: int
    secret: str
    user_id: int
    scopes: list[str]
    project_id: int | None = None
    is_revoked: bool = False


@dataclass(eq=False)
class Account:
    id: int
    projects: dict[int, str] = field(default_factory=dict)
    """The slug of each."""
    members: dict[int, Member] = field(default_factory=dict)
    tokens: dict[int, Token] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)

    def member_of(self, user_id: int) -> Member | None:
        return next((m for m in self.members.values() if m.user_id == user_id), None)


@dataclass
class Visitor:
    """Whoever a request comes from, and what exists for it."""

    account: Account
    member: Member
    token: Token
    role: str
    project_id: int | None
    strict: bool

    def require(self, roles: tuple[str, ...]) -> None:
        if self.role not in roles:
            raise Refused(403, "forbidden")

    def session(self, session_id: int) -> Session:
        found = self.account.sessions.get(session_id)
        if found is None or (self.strict and found.project_id != self.project_id):
            raise Refused(404, "not_found")
        return found

    def sees_project(self, project_id: int) -> bool:
        inside = not self.strict or project_id == self.project_id
        return project_id in self.account.projects and inside

    def require_project(self, project_id: int) -> None:
        if not self.sees_project(project_id):
            raise Refused(404, "not_found")

    def listed(self) -> list[Session]:
        """The newest first."""
        found = sorted(self.account.sessions.values(), key=lambda s: s.id, reverse=True)
        return [s for s in found if self.project_id is None or s.project_id == self.project_id]


def enter(account: Account, token: Token, header: str | None, *, write: bool) -> Visitor:
    """What comes before every handler: who is it, which project, may it write."""
    member = account.member_of(token.user_id)
    known = account.tokens.get(token.id) is token and not token.is_revoked
    if not known or member is None or not member.is_active:
        raise Refused(401, "unauthenticated")
    project_id, strict = member.active_project_id, False
    if token.project_id is not None:
        project_id, strict = token.project_id, True
    if header is not None:
        wanted = _project_of(account, header)
        if wanted is None and header != "*":
            raise Refused(404, "not_found")
        if token.project_id not in {None, wanted}:
            raise Refused(404, "not_found")
        project_id, strict = wanted, wanted is not None
    visitor = Visitor(account, member, token, _narrowed(member, token), project_id, strict)
    if write:
        visitor.require(WRITERS)
    return visitor


def create_session(visitor: Visitor, body: dict[str, Any]) -> Session:
    account, parent = visitor.account, body.get("parent_session_id")
    if parent is not None:
        try:
            visitor.session(parent)
        except Refused:
            raise Refused(422, "invalid") from None
    external_id = body.get("external_id")
    if external_id is not None:
        for other in account.sessions.values():
            if other.external_id == external_id:
                hidden = visitor.strict and other.project_id != visitor.project_id
                raise Refused(409, "key_in_other_project" if hidden else "external_id_taken")
    return Session(
        project_id=visitor.project_id,
        type=body["type"],
        title=body.get("title"),
        state=dict(body.get("state", {})),
        external_id=external_id,
        parent_session_id=parent,
        user_id=visitor.member.user_id,
    )


def update_session(
    visitor: Visitor, session_id: int, body: dict[str, Any], if_match: int | None
) -> Session:
    session = visitor.session(session_id)
    if if_match is not None and if_match != session.version:
        raise Refused(412, "version_mismatch")
    session.title = body.get("title", session.title)
    session.state = merge_patch(session.state, body.get("state", {}))
    session.version += 1
    return session


def end_session(visitor: Visitor, session_id: int, status: str, ended: Any) -> Session:
    session = visitor.session(session_id)
    if session.status != "active":
        raise Refused(409, "session_ended")
    session.status = status
    if ended is not None:
        session.state = {**session.state, "ended": ended}
    session.version += 1
    return session


def reopen_session(visitor: Visitor, session_id: int) -> Session:
    session = visitor.session(session_id)
    if session.type == WORKFLOW:
        raise Refused(409, "has_workflow")
    if session.status != "active":
        session.status = "active"
        session.state.pop("ended", None)
        session.version += 1
    return session


def move_session(visitor: Visitor, session_id: int, project_id: int | None) -> Session:
    session = visitor.session(session_id)
    visitor.require(ADMINISTRATORS)
    if project_id is not None and not visitor.sees_project(project_id):
        raise Refused(422, "invalid")
    session.project_id = project_id
    session.version += 1
    return session


def delete_session(visitor: Visitor, session_id: int) -> None:
    visitor.session(session_id)
    visitor.require(ADMINISTRATORS)
    del visitor.account.sessions[session_id]
    for other in visitor.account.sessions.values():
        if other.parent_session_id == session_id:
            other.parent_session_id = None


def append(
    visitor: Visitor, session_id: int, posted: list[dict[str, Any]]
) -> tuple[list[Interaction], bool]:
    """Those the bodies stand for, and whether any of them is new; ids are given by the server."""
    session = visitor.session(session_id)
    known = {i.id: i for i in session.interactions}
    new: list[Interaction] = []
    answer: list[Interaction] = []
    for body in posted:
        found = known.get(body.get("id", ""))
        if found is None:
            result = body.get("result") or {}
            client_id = body.get("id", "")
            kept = body if client_id else None
            found = Interaction(client_id, body["command"]["command"], result.get("stdout"), kept)
            new.append(found)
            if client_id:
                known[client_id] = found
        elif found.posted != body:
            raise Refused(409, "interaction_exists")
        answer.append(found)
    if new:
        if session.status != "active":
            raise Refused(409, "session_ended")
        session.interactions += new
        session.version += 1
    return answer, bool(new)


def set_result(visitor: Visitor, session_id: int, interaction_id: str, stdout: str) -> Interaction:
    """An ended session takes it as well; the same result again changes nothing."""
    session = visitor.session(session_id)
    found = next((i for i in session.interactions if i.id == interaction_id), None)
    if found is None:
        raise Refused(404, "not_found")
    if found.stdout is None:
        found.stdout = stdout
        session.version += 1
    elif found.stdout != stdout:
        raise Refused(409, "already_completed")
    return found


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, as it is written there."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _project_of(account: Account, header: str) -> int | None:
    found = [p for p, slug in account.projects.items() if header in {str(p), slug}]
    return found[0] if found else None


def _narrowed(member: Member, token: Token) -> str:
    if "admin" in token.scopes or member.role == "viewer":
        return member.role
    return "editor" if "write" in token.scopes else "viewer"
