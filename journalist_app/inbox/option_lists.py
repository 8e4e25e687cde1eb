"""The desk's own lists: what a mailbox is about, which route it took, where it came from, how it ended."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from journalist_app.errors import AdviserConfigError

_LINE = re.compile(r"([a-z][a-z0-9_]{0,39}): ([^/]+) / ([^/]+)")


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be chosen: the key that is kept, and its name in both languages."""

    key: str
    nl: str
    en: str

    def name(self, language: str) -> str:
        """Return its name for a person."""
        return self.nl if language == "nl" else self.en


def read_options(lines: Sequence[str]) -> tuple[Option, ...]:
    """Read a list of the settings: "key: Nederlands / English" each.

    Raises:
        ConfigError: a line of another shape, or a key that stands there twice.
    """
    found = []
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise AdviserConfigError('a line is not "key: Nederlands / English"')
        found.append(Option(parts[1], parts[2].strip(), parts[3].strip()))
    if len({choice.key for choice in found}) != len(found):
        raise AdviserConfigError("a key stands there twice")
    return tuple(found)


def option_name(offered: Sequence[Option], key: str, language: str) -> str:
    """Return the name of what was chosen; one that has left the settings since is shown by its key."""
    return next((choice.name(language) for choice in offered if choice.key == key), key)
