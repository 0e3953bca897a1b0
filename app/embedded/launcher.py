"""Becomes initdb or postgres. Run as a script by a fresh interpreter, never imported.

These steps belong between fork and exec. A preexec_fn would run them in the fork of a process with
threads, where any lock may be held for ever; a new interpreter costs 15 ms instead.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def become(owner: int, uid: int, gid: int, data_descriptor: int, *command: str) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # The owner may run with SIGINT ignored (a shell's background job) or blocked.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if sys.platform == "linux":
        # A change of user clears it, so it comes after. SIGINT is postgres' fast shutdown.
        if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT) != 0:
            sys.exit("prctl(PR_SET_PDEATHSIG) failed")
        # The owner's death before prctl sends nothing.
        if os.getppid() != owner:
            sys.exit("the owner has gone")
        # Only root can enter a folder below one of mode 0700, except through a descriptor that
        # root has opened: that leads in every user whom the folder itself admits.
        if "PGDATA" in os.environ and not os.access(os.environ["PGDATA"], os.X_OK):
            os.environ["PGDATA"] = f"/proc/self/fd/{data_descriptor}"
    os.execv(command[0], command)  # noqa: S606 - becoming the program is the purpose


if __name__ == "__main__":
    owner, uid, gid, data_descriptor = map(int, sys.argv[1:5])
    try:
        become(owner, uid, gid, data_descriptor, *sys.argv[5:])
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[5]} as user {uid}: {error.strerror}")
