"""Operations on a disk, as a recorded run performed them in order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that were written to a file at an offset."""

    path: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """Change of a file's length."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class MakeFile:
    """New, empty file."""

    path: str


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """New, empty folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Rename of a file or folder. A file with the new name is replaced."""

    path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class Link:
    """Second name for an existing file."""

    path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Removal of the name of a file or of an empty folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Sync of a file or of a folder: fsync or fdatasync returned.

    `started` is the number of operations that were complete when the sync began. Only these are on the disk.
    """

    path: str
    started: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Statement of the recorded program about things that can be read, by their names.

    `about` is "start", "trying", "kept", "deleting" or "gone". From "trying" until "kept", and from
    "deleting" until "gone", a power cut may leave either state. "start" names everything that can be read at
    the start.
    """

    about: str
    names: tuple[str, ...]


DiskOperation = Write | Resize | MakeFile | MakeFolder | Rename | Link | Remove | Sync | Statement
