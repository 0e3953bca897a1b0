"""Results that have not been posted yet, kept where the next run finds them."""

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
        """In a file that only this user can read: redaction has not seen the output yet."""
        write_secret(self.path, msgspec.json.encode(self).decode())

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


def find_kept(url: str, session_id: int) -> list[KeptResult]:
    """Results for this server and session, oldest first. Raises OSError, naming the file, when one
    cannot be read."""
    found = []
    for path in sorted(_folder().glob(f"{session_id}-*.json")):
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=KeptResult)
        except msgspec.DecodeError as error:
            raise OSError(f"{path} is not a kept result: {error}") from None
        if kept.url == url:
            found.append(kept)
    return found


def _folder() -> Path:
    return Path(state_folder(), "results")
