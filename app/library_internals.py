"""The private parts of libraries that we depend on; nothing else touches any.

`tests/test_library_internals.py` names the versions they were written for.
"""

import socket
from typing import Any


def socket_of(driver: Any) -> socket.socket:
    """The socket of a connection of asyncpg, which offers no option for keepalive."""
    found: socket.socket = driver._transport.get_extra_info("socket")
    return found


def forget_response(scope: Any) -> None:
    """Lets Litestar answer a request again, as for an error, when its response was held back.

    Written without an import: the engine needs this module where there is no web framework.
    """
    scope["state"]["_ls_connection_state"].response_started = False
