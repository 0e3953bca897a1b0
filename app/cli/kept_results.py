"""Results that are not posted yet, where the next run finds them."""

from pathlib import Path

import msgspec

from app.cli.credentials import state_folder, write_secret


class KeptResult(msgspec.Struct, kw_only=True):
    url: str
    session_id: int
    interaction_id: str
    step: str
    result: dict[str, int | str]

    @property
    def path(self) -> Path:
        return _folder() / f"{self.session_id}-{self.interaction_id}.json"

    def save(self) -> None:
        """Readable by nobody else: output may hold what redaction has yet to see."""
        write_secret(self.path, msgspec.json.encode(self).decode())

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


def find_kept(url: str, session_id: int) -> list[KeptResult]:
    """Those of this server and session, oldest first. Raises OSError naming a file that is none."""
    found = []
    for path in sorted(_folder().glob(f"{session_id}-*.json")):
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=KeptResult)
        except msgspec.DecodeError as error:
            raise OSError(f"{path} is no result: {error}") from None
        if kept.url == url:
            found.append(kept)
    return found


def _folder() -> Path:
    return state_folder() / "results"
