"""Files in a folder: the default, and enough for one host."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from webapp.kernel.errors import NotFound, Unavailable

GONE = "The file is not there any more."


class LocalFolder:
    """Keeps each key as a file below `folder`. Keys are checked by the port."""

    kind = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def save(self, key: str, content: bytes) -> None:
        """Store bytes whole or not at all. Raises Unavailable when the disk refuses."""
        path = self.folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Unavailable("The file could not be stored; the disk may be full.") from error

    def read(self, key: str) -> bytes:
        """The bytes of a key. Raises NotFound, or Unavailable when the disk does not give them."""
        try:
            return (self.folder / key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(GONE) from error
        except OSError as error:
            raise Unavailable("The file cannot be read from the disk.") from error

    def exists(self, key: str) -> bool:
        """Whether a key has bytes."""
        return (self.folder / key).is_file()

    def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine. Raises Unavailable."""
        try:
            (self.folder / key).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("The file could not be removed.") from error

    def reach(self) -> None:
        """Look whether files can be written. Raises Unavailable."""
        folder = self.folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Unavailable("The folder of the files cannot be written to.")
