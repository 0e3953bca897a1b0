"""Accounts and their members, API tokens and preferences."""

from app.contexts.accounts.accounts import (
    create_account,
    create_default_account,
    create_first_account,
    delete_account,
    find_or_create_user,
    free_slug,
    get_account,
    get_me,
    list_accounts,
    set_active_project,
    update_account,
)
from app.contexts.accounts.authentication import Authenticator, operator_scope
from app.contexts.accounts.members import (
    create_member,
    delete_member,
    find_member,
    get_member,
    list_members,
    update_member,
)
from app.contexts.accounts.tokens import (
    create_token,
    create_token_for,
    delete_project_tokens,
    get_token,
    list_tokens,
    revoke_token,
    update_token,
)

__all__ = [
    "Authenticator",
    "create_account",
    "create_default_account",
    "create_first_account",
    "create_member",
    "create_token",
    "create_token_for",
    "delete_account",
    "delete_member",
    "delete_project_tokens",
    "find_member",
    "find_or_create_user",
    "free_slug",
    "get_account",
    "get_me",
    "get_member",
    "get_token",
    "list_accounts",
    "list_members",
    "list_tokens",
    "operator_scope",
    "revoke_token",
    "set_active_project",
    "update_account",
    "update_member",
    "update_token",
]
