import os
import pwd
from dataclasses import dataclass

OVERFLOW_ID = 65534  # `nobody` by convention, for images without /etc/passwd


@dataclass(frozen=True)
class Account:
    """The operating-system account that runs postgres."""

    uid: int
    gid: int


def server_account() -> Account:
    """The caller's, or `nobody` for root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(OVERFLOW_ID, OVERFLOW_ID)
    return Account(entry.pw_uid, entry.pw_gid)


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
