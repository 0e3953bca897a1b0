"""`agent-sessions`, also as `python -m app`."""

import sys


def main() -> None:
    # A hook runs on an agent's critical path: it must not pay for what the other commands import.
    if sys.argv[1:2] == ["hook"] and not any(word.startswith("-") for word in sys.argv[2:]):
        from app.cli.hook import main as hook  # noqa: PLC0415 - see above

        hook(sys.argv[2:])
    from app.cli.commands import commands  # noqa: PLC0415 - see above

    commands(prog_name="agent-sessions")


if __name__ == "__main__":
    main()
