"""Cache of converted pages of files, encrypted in memory with a key that exists only until the desk locks."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field

import msgspec
from nacl.secret import SecretBox
from nacl.utils import random

from journalist_app.conversion.conversion_limits import CACHE_BYTES
from journalist_app.conversion.converter_run import Converter
from journalist_app.conversion.file_pages import ShownPage
from journalist_app.errors import ConversionRefusal, FileRefusal


@dataclass(slots=True)
class ShownFile:
    """State of the conversion of one file. Another thread converts the pages one by one.

    The file has `total` pages, and the app shows `count` of them. Both numbers are 0 until they are known.
    `refusal` says why pages are missing. `refused_pages` has the reason for each page that failed.
    """

    programs: tuple[str, ...] = ()
    total: int = 0
    count: int = 0
    encoding: str = ""
    refusal: ConversionRefusal | FileRefusal | None = None
    refused_pages: dict[int, ConversionRefusal] = field(default_factory=dict)
    is_done: bool = False
    sealed: dict[int, bytes] = field(default_factory=dict, repr=False)  # pages by number, from 1

    def refusal_of(self, number: int) -> ConversionRefusal | FileRefusal | None:
        """Return why the app does not show a page, or None if the page is shown or is converted later."""
        if number in self.sealed:
            return None
        ended = (self.refusal or ConversionRefusal.FAILED) if self.is_done else None
        return self.refused_pages.get(number, ended)


class ShownFiles:
    """Cache of the converted pages of files. Thread-safe.

    If the cache is full, the pages of the files that were opened first are dropped.
    """

    def __init__(self, converter: Converter | None = None, most_bytes: int = CACHE_BYTES) -> None:
        self.converter = converter or Converter()
        self.converting = threading.Lock()  # one file at a time: a converter may use 2 GB
        self._box: SecretBox | None = SecretBox(random(SecretBox.KEY_SIZE))
        self._files: dict[Hashable, ShownFile] = {}
        self._most_bytes = most_bytes
        self._changing = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Return True while the app converts a file in the background."""
        return any(not each.is_done for each in tuple(self._files.values()))

    def find(self, name: Hashable) -> ShownFile | None:
        """Return the state of a file that was opened before, or None."""
        return self._files.get(name)

    def open(self, name: Hashable) -> tuple[ShownFile, bool]:
        """Return the state of a file, and True if the file is new in the cache.

        The caller must convert a new file.
        """
        with self._changing:
            is_new = name not in self._files
            return self._files.setdefault(name, ShownFile()), is_new

    def drop(self, name: Hashable) -> None:
        """Drop the pages of a file that the mailbox no longer has."""
        self._files.pop(name, None)

    def keep(self, file: ShownFile, number: int, page: ShownPage) -> None:
        """Encrypt a converted page, and keep it until the desk locks or the cache is full."""
        box = self._box
        if box is None:
            return
        file.sealed[number] = box.encrypt(msgspec.msgpack.encode(page))
        with self._changing:
            done = [name for name, each in self._files.items() if each.is_done and each is not file]
            while done and self._size() > self._most_bytes:
                del self._files[done.pop(0)]

    def page(self, file: ShownFile, number: int) -> ShownPage | None:
        """Return a converted page of a file, or None if the page is not in the cache."""
        box, sealed = self._box, file.sealed.get(number)
        if box is None or sealed is None:
            return None
        return msgspec.msgpack.decode(box.decrypt(sealed), type=ShownPage)

    def close(self) -> None:
        """Drop all pages, and the key that decrypts them."""
        self._box = None
        self._files.clear()

    def _size(self) -> int:
        return sum(len(page) for each in self._files.values() for page in tuple(each.sealed.values()))
