"""Option lists of the desk's settings: themes, routes, regions and outcomes of mailboxes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from journalist_app.errors import AdviserConfigError

_LINE = re.compile(r"([a-z][a-z0-9_]{0,39}): ([^/]+) / ([^/]+)")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a list. The store has its key, and pages show its name in Dutch or English."""

    key: str
    nl: str
    en: str

    def name(self, language: str) -> str:
        """Return the name of the option in a language, "nl" or "en"."""
        return self.nl if language == "nl" else self.en


def read_options(lines: Sequence[str]) -> tuple[Option, ...]:
    """Parse one option list of the settings. Each line is "key: Nederlands / English".

    Raises:
        AdviserConfigError: a line has another shape, or two lines have the same key.
    """
    options = []
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise AdviserConfigError('a line is not "key: Nederlands / English"')
        options.append(Option(parts[1], parts[2].strip(), parts[3].strip()))
    if len({option.key for option in options}) != len(options):
        raise AdviserConfigError("two lines have the same key")
    return tuple(options)


def option_name(options: Sequence[Option], key: str, language: str) -> str:
    """Return the name of the option with this key. If the settings have no such option, return the key."""
    return next((option.name(language) for option in options if option.key == key), key)
