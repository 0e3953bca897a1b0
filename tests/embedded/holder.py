"""Runs as a process of its own: starts a cluster, reports it, and stops it when stdin ends."""

import json
import signal
import sys
from pathlib import Path

from app.embedded import EmbeddedError, start


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cluster = start(Path(sys.argv[1]), bin_dir=Path(sys.argv[2]))
    except EmbeddedError as error:
        report: dict[str, str | bool] = {"error": str(error)}
    else:
        report = {"url": cluster.url, "owner": cluster.owner}
    print(json.dumps(report), flush=True)  # noqa: T201 - the answer to the test
    if sys.stdin.read() == "exit without stop":
        return
    if "url" in report:
        cluster.stop()


if __name__ == "__main__":
    main()
