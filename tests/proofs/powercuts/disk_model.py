"""Model of a disk: which operations are certainly on the disk, and which a power cut may lose.

The content of a file is on the disk after a sync of this file. The names in a folder are on the disk after a
sync of this folder. Without the sync, any part of the operations may be on the disk: any subset of the writes
to a file, each torn into sectors of 512 bytes, and any number of the first changes of names in a folder. File
modes are not modelled: each rebuilt file has mode 0600, and each rebuilt folder has mode 0700.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.proofs.powercuts import disk_operations as ops
from tests.proofs.powercuts.record import Recording

SECTOR_BYTES = 512

Image = dict[str, bytes | None]  # content of each file, and None for each folder, by path


@dataclass(slots=True)
class _File:
    """File: its bytes on the disk, and the changes since its last sync, with their place in the recording."""

    durable: bytes = b""
    pending: list[tuple[int, ops.Write | ops.Resize]] = field(default_factory=list)

    def sync(self, started: int) -> None:
        done = [change for at, change in self.pending if at < started]
        self.durable = apply_changes(self.durable, done)
        self.pending = [each for each in self.pending if each[0] >= started]


@dataclass(slots=True)
class _Folder:
    """Folder: its names on the disk, its names now, and the changes of names since its last sync."""

    durable: "dict[str, _File | _Folder]" = field(default_factory=dict)
    live: "dict[str, _File | _Folder]" = field(default_factory=dict)
    pending: "list[tuple[int, Callable[[dict[str, _File | _Folder]], object]]]" = field(default_factory=list)

    def change(self, at: int, change: "Callable[[dict[str, _File | _Folder]], object]") -> None:
        change(self.live)
        self.pending.append((at, change))

    def sync(self, started: int) -> None:
        while self.pending and self.pending[0][0] < started:
            self.pending.pop(0)[1](self.durable)


class Disk:
    """Disk on which the operations of a recording are repeated one after the other."""

    def __init__(self, start: Image) -> None:
        self._root = _Folder()
        self._count = 0
        for path, content in start.items():
            parent, name = self._place(path)
            made = _Folder() if content is None else _File(content)
            parent.durable[name] = parent.live[name] = made

    def apply(self, operation: ops.DiskOperation) -> None:  # noqa: C901  # one case for each kind of operation
        """Repeat the next operation of the recording."""
        at, self._count = self._count, self._count + 1
        match operation:
            case ops.Statement():
                pass
            case ops.Sync(path, started):
                if (synced := self._find(path)) is not None:
                    synced.sync(started)
            case ops.Write(path) | ops.Resize(path):
                if (changed := self._find(path)) is not None:
                    assert isinstance(changed, _File)
                    changed.pending.append((at, operation))
            case ops.MakeFile(path) | ops.MakeFolder(path):
                parent, name = self._place(path)
                if name not in parent.live:
                    made = _File() if isinstance(operation, ops.MakeFile) else _Folder()
                    parent.change(at, lambda names: names.update({name: made}))
            case ops.Rename(path, new_path):
                parent, name = self._place(path)
                new_name = PurePosixPath(new_path).name
                parent.change(at, lambda names: names.update({new_name: names.pop(name)}))
            case ops.Link(path, new_path):
                parent, name = self._place(path)
                new_name = PurePosixPath(new_path).name
                parent.change(at, lambda names: names.update({new_name: names[name]}))
            case ops.Remove(path):
                parent, name = self._place(path)
                parent.change(at, lambda names: names.pop(name))

    def without_loss(self) -> Image:
        """Return the disk with every operation, as after a clean stop."""
        return self._image(
            lambda folder: len(folder.pending), lambda file: [each for _, each in file.pending]
        )

    def synced_only(self, machine: str) -> Image:
        """Return the disk on which no operation that was not synced has survived.

        The power cut hits the folder `machine`, or the whole disk if `machine` is empty.
        """
        return self._image(lambda _: 0, lambda _: [], machine)

    def in_order(self, machine: str, chance: random.Random) -> Image:
        """Return the disk after a cut at a random moment since the last syncs: the last write is torn."""
        places = [at for file in self._files() for at, _ in file.pending]
        until = chance.choice(places) if places else self._count

        def of_file(file: _File) -> list[ops.Write | ops.Resize]:
            kept = [each for at, each in file.pending if at < until]
            torn = [each for at, each in file.pending if at == until]
            return kept + [part for each in torn for part in _some_sectors(each, chance)]

        return self._image(lambda folder: sum(at < until for at, _ in folder.pending), of_file, machine)

    def at_random(self, machine: str, chance: random.Random) -> Image:
        """Return the disk with a random subset of the operations that were not synced, and torn writes."""
        share, torn_share = chance.random(), chance.choice((0.0, 0.1, 0.5))

        def of_file(file: _File) -> list[ops.Write | ops.Resize]:
            kept = [each for _, each in file.pending if chance.random() < share]
            return [
                part
                for each in kept
                for part in (_some_sectors(each, chance) if chance.random() < torn_share else [each])
            ]

        return self._image(lambda folder: chance.randint(0, len(folder.pending)), of_file, machine)

    def _image(
        self,
        surviving_names: Callable[[_Folder], int],
        surviving_changes: Callable[[_File], list[ops.Write | ops.Resize]],
        machine: str = "",
    ) -> Image:
        image: Image = {}

        def add(folder: _Folder, path: PurePosixPath, *, is_hit: bool) -> None:
            names = dict(folder.durable)
            for _, change in folder.pending[: surviving_names(folder) if is_hit else None]:
                change(names)
            for name, each in names.items():
                here = path / name
                is_hit_here = is_hit or str(here) == machine
                if isinstance(each, _Folder):
                    image[str(here)] = None
                    add(each, here, is_hit=is_hit_here)
                else:
                    changes = (
                        surviving_changes(each) if is_hit_here else [change for _, change in each.pending]
                    )
                    image[str(here)] = apply_changes(each.durable, changes)

        add(self._root, PurePosixPath(), is_hit=not machine)
        return image

    def _files(self) -> list[_File]:
        found, folders = [], [self._root]
        while folders:
            for each in folders.pop().live.values():
                (found if isinstance(each, _File) else folders).append(each)
        return found

    def _find(self, path: str) -> _File | _Folder | None:
        if path in {"", "."}:
            return self._root
        parent, name = self._place(path)
        return parent.live.get(name)

    def _place(self, path: str) -> tuple[_Folder, str]:
        *folders, name = PurePosixPath(path).parts
        parent = self._root
        for each in folders:
            found = parent.live[each]
            assert isinstance(found, _Folder)
            parent = found
        return parent, name


def apply_changes(content: bytes, changes: list[ops.Write | ops.Resize]) -> bytes:
    """Return a file's content after some writes and changes of its length."""
    if not changes:
        return content
    changed = bytearray(content)
    for each in changes:
        size = each.size if isinstance(each, ops.Resize) else each.offset
        changed.extend(bytes(max(0, size - len(changed))))
        if isinstance(each, ops.Resize):
            del changed[each.size :]
        else:
            changed[each.offset : each.offset + len(each.content)] = each.content
    return bytes(changed)


def _some_sectors(change: ops.Write | ops.Resize, chance: random.Random) -> list[ops.Write | ops.Resize]:
    """Return a random part of a write's sectors: any of them, or only the first ones or the last ones."""
    if isinstance(change, ops.Resize):
        return [change] if chance.random() < 0.5 else []
    first = change.offset - change.offset % SECTOR_BYTES
    sectors: list[ops.Write | ops.Resize] = []
    for start in range(first, change.offset + len(change.content), SECTOR_BYTES):
        begin, end = max(start, change.offset), min(start + SECTOR_BYTES, change.offset + len(change.content))
        content = change.content[begin - change.offset : end - change.offset]
        sectors.append(ops.Write(change.path, begin, content))
    cut = chance.randint(0, len(sectors))
    return chance.choice((sectors[:cut], sectors[cut:], [each for each in sectors if chance.random() < 0.5]))


def write_image(image: Image, disk: Path, chance: random.Random) -> None:
    """Write a rebuilt disk to an empty folder.

    SQLite's shared index of a journal may have any content after a power cut, so half of these files are
    garbage, and the others do not exist.
    """
    for path, content in sorted(image.items()):
        target = disk / path
        if content is None:
            target.mkdir(mode=0o700)
        else:
            target.touch(mode=0o600)
            target.write_bytes(content)
            if path.endswith("-wal") and chance.random() < 0.5:
                (disk / f"{path.removesuffix('-wal')}-shm").write_bytes(chance.randbytes(32 * 1024))


def moments(recording: Recording) -> list[int]:
    """Return the moments at which the power is cut: before each sync, and after each statement.

    A moment is the number of operations that were complete.
    """
    found = {
        at if isinstance(operation, ops.Sync) else at + 1
        for at, operation in enumerate(recording.operations)
        if isinstance(operation, ops.Sync | ops.Statement)
    }
    return sorted(found | {len(recording.operations)})
