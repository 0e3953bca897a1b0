"""Changes to a settings file that belongs to an agent, and how they are taken back."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from app.cli.credentials import make_folder, state_folder, write_secret

_INDENT = re.compile(r"^\s*[{\[]\r?\n([ \t]+)")
_BOM = "\ufeff"
_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|(//|/\*)')


class Unreadable(OSError):
    """A settings file that could not be written back as it was meant."""


class SettingsFile:
    """`before` is None when there is no such file. A symbolic link is followed, never replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = path.resolve()
        self.before = self._target.read_bytes() if self._target.exists() else None
        name = hashlib.sha256(str(self._target).encode()).hexdigest()[:16]
        self._record_name = f"{name}.json"

    @property
    def _record(self) -> Path:
        return Path(state_folder(), "hooks", self._record_name)

    def document(self) -> dict[str, Any]:
        """Raises Unreadable for a file that could not be written back as it was meant."""
        text = ""
        try:
            text = (self.before or b"").decode("utf-8-sig")
            parsed = json.loads(text, object_pairs_hook=_unique) if text.strip() else {}
        except ValueError as error:
            if any(match[1] for match in _COMMENT.finditer(text)):
                raise Unreadable(
                    f"{self.path} has comments, which would be lost; add by hand what --print shows"
                ) from None
            raise Unreadable(f"{self.path} is not valid JSON ({error})") from None
        if not isinstance(parsed, dict):
            raise Unreadable(f"{self.path} is not a JSON object")
        return parsed

    def rendered(self, document: dict[str, Any]) -> bytes:
        """Encodes the document in the file's style: indentation, line ends, byte order mark."""
        before = (self.before or b"").decode()
        indent = _INDENT.match(before.removeprefix(_BOM))
        text = json.dumps(document, indent=indent[1] if indent else 2, ensure_ascii=False)
        if not before or before.endswith("\n"):
            text += "\n"
        if "\r\n" in before:
            text = text.replace("\n", "\r\n")
        return (_BOM * before.startswith(_BOM) + text).encode()

    def write(self, after: bytes, *, fresh: bool) -> None:
        """Remembers the previous content for `restore`; unless `fresh`, the one before our first
        change."""
        record = self._recorded()
        if fresh or record is None:
            original = None if self.before is None else self.before.hex()
            known = fresh
        else:
            original = record["original"]
            known = record["known"] and record["written"] == _digest(self.before)
        self._save({"original": original, "known": known, "written": _digest(after)})
        self._replace(after)

    def restore(self) -> bool:
        """Brings back the original bytes. Returns False when the file was edited since."""
        record = self._recorded()
        if record is None or not record["known"] or record["written"] != _digest(self.before):
            return False
        if record["original"] is None:
            self._target.unlink(missing_ok=True)
        else:
            self._replace(bytes.fromhex(record["original"]))
        self.forget()
        return True

    def forget(self) -> None:
        self._record.unlink(missing_ok=True)

    def write_edited(self, after: bytes) -> None:
        """Writes a file that was edited since our change, without our hooks."""
        self._replace(after)
        self.forget()

    def _recorded(self) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        return record

    def _save(self, record: dict[str, Any]) -> None:
        write_secret(self._record, json.dumps({"path": str(self._target), **record}))

    def _replace(self, content: bytes) -> None:
        """Replaces the file in one step and keeps its permissions."""
        make_folder(self._target.parent, mode=0o755)  # the agent may run as another user
        temporary = self._target.with_name(f".{self._target.name}.{os.getpid()}")
        mode = self._target.stat().st_mode & 0o777 if self._target.exists() else 0o600
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(self._target)


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a repeated key, of which one value would silently be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
