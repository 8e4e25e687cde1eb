"""Option lists in the desk's settings: themes, routes, regions and outcomes of mailboxes."""

import re
from collections.abc import Sequence

from journalist_app.errors import AdviserConfigError
from report.tables import TableLine

_LINE = re.compile(r"([a-z][a-z0-9_]{0,39}): ([^/]+) / ([^/]+)")


def read_options(lines: Sequence[str]) -> tuple[TableLine, ...]:
    """Parse one option list of the settings. Each line is "key: Nederlands / English".

    Raises:
        AdviserConfigError: a line has another shape, or two lines have the same key.
    """
    options = []
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise AdviserConfigError('a line is not "key: Nederlands / English"')
        options.append(TableLine(parts[1], parts[2].strip(), parts[3].strip()))
    if len({option.key for option in options}) != len(options):
        raise AdviserConfigError("two lines have the same key")
    return tuple(options)


def option_name(options: Sequence[TableLine], key: str, language: str) -> str:
    """Return the name of the option with this key, in the adviser's language.

    If the settings have no such option, return the key.
    """
    return next((option.name(language) for option in options if option.key == key), key)
