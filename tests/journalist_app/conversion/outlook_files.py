"""Messages of Outlook (.msg), made by the tests: compound files with streams in folders."""

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

_END: Final = 0xFFFFFFFE  # of a chain of sectors
_NONE: Final = 0xFFFFFFFF
_SMALL_BYTES: Final = 4096  # a stream with fewer bytes is in the small sectors
SENT: Final = 134_117_768_450_000_000  # 1 January 2026, 21:34:05, in ticks of 100 ns since 1601


def a_property_stream(**numbers: int) -> bytes:
    """Make the stream of properties with a fixed size. A name is p and the number of the property."""
    parts = (struct.pack("<HHIQ", 3, int(name[1:], 16), 6, value) for name, value in numbers.items())
    return bytes(32) + b"".join(parts)


def an_outlook_message(
    texts: Mapping[str, str] = {}, files: Mapping[str, bytes] = {}, streams: Mapping[str, bytes] = {}
) -> bytes:
    """Make an Outlook message with these texts by their number, attached files, and other streams by path."""
    found = dict(streams)
    for number, text in texts.items():
        found[f"__substg1.0_{number}001F"] = text.encode("utf-16-le")
    for place, (name, content) in enumerate(files.items()):
        folder = f"__attach_version1.0_#{place:08X}"
        found[f"{folder}/__substg1.0_3707001F"] = name.encode("utf-16-le")
        found[f"{folder}/__substg1.0_37010102"] = content
    return a_compound_file(found)


def a_compound_file(streams: Mapping[str, bytes]) -> bytes:
    """Make a compound file with these streams, by their paths: "name" or "folder/name"."""
    sectors: list[bytes] = []
    table: list[int] = []
    small, small_table = bytearray(), list[int]()

    def put(content: bytes) -> int:
        pieces = [content[at : at + 512].ljust(512, b"\0") for at in range(0, len(content), 512)]
        first = len(sectors)
        sectors.extend(pieces)
        table.extend([*range(first + 1, first + len(pieces)), _END] if pieces else [])
        return first if pieces else _END

    def put_small(content: bytes) -> int:
        first, count = len(small_table), -(-len(content) // 64)
        small.extend(content.ljust(64 * count, b"\0"))
        small_table.extend([*range(first + 1, first + count), _END] if count else [])
        return first if count else _END

    entries: list[bytes] = []

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        head = raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), kind, 1, _NONE, right, child)
        return head + bytes(36) + struct.pack("<IQ", start, size)

    def add(paths: Sequence[tuple[str, ...]], before: tuple[str, ...]) -> int:
        """Add the entries in one folder, and return the number of the first."""
        right = _NONE
        for name, inside in groupby(sorted(paths), key=lambda path: path[0]):
            below = [path[1:] for path in inside if path[1:]]
            content = streams.get("/".join((*before, name)), b"")
            child = add(below, (*before, name)) if below else _NONE
            start = (put_small if len(content) < _SMALL_BYTES else put)(content)
            entries.append(entry(name, 1 if below else 2, right, child, start, len(content)))
            right = len(entries)  # the root comes first
        return right

    first = add([tuple(path.split("/")) for path in streams], ())
    root = entry("Root Entry", 5, _NONE, first, put(bytes(small)), len(small))
    directory = put(b"".join([root, *entries]))
    small_place = put(struct.pack(f"<{len(small_table)}I", *small_table))
    tables = (len(table) + 127) // 127 or 1
    places = range(len(table), len(table) + tables)
    table += [0xFFFFFFFD] * tables
    raw = struct.pack(f"<{len(table)}I", *table).ljust(512 * tables, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6)
    head += bytes(6) + struct.pack("<9I", 0, tables, directory, 0, _SMALL_BYTES, small_place, 1, _END, 0)
    head += struct.pack(f"<{len(places)}I", *places)
    return head.ljust(512, b"\xff") + b"".join(sectors) + raw
