"""Text of a settings file: made from the example, and changed without a loss of comments and values."""

import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from deploy.hardening import TMPFS

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
_HEADER = re.compile(r"(?m)^(?:#.*\n)*\[([a-z]+)\][^\S\n]*(?:#.*)?$")  # with the comments above it
_GAP = "\n\n\n"  # between two sections


def from_example(sections: Collection[str], fingerprint: str, keys: Mapping[tuple[str, str], str]) -> str:
    """Return the text of a new settings file: the example, with only these sections and this fingerprint.

    Paths under /dev/shm get a random folder name. `keys` maps the section and the name of a
    setting to its value.
    """
    whole = EXAMPLE.read_text("utf-8")
    text = without_sections(whole, {name for name, _ in _parts(whole)} - {"", *sections})
    text = re.sub(r'(?m)^fingerprint = ".*"$', f'fingerprint = "{fingerprint}"', text)
    # Use a name that no one can guess: under /dev/shm, another user could make the folder first.
    text = text.replace('"/dev/shm/steunpunt/', f'"{TMPFS}/steunpunt-{secrets.token_hex(8)}/')
    for (section, key), value in keys.items():
        text = with_key(text, section, key, value)
    return text


def without_sections(text: str, sections: Collection[str]) -> str:
    """Remove sections from the text of a settings file, with the comments above their headers."""
    kept = [part.strip("\n") for name, part in _parts(text) if name not in sections]
    return _GAP.join(kept) + "\n"


def with_key(text: str, section: str, key: str, value: str) -> str:
    """Return the text of a settings file in which one setting of a section has this string value.

    A missing setting is added. `value` must be printable, without quotation marks and backslashes.
    """
    line = f'{key} = "{value}"'

    def change(part: str) -> str:
        changed, count = re.subn(rf"(?m)^{re.escape(key)}\s*=.*$", lambda _: line, part, count=1)
        if count:
            return changed
        return re.sub(r"(?m)^\[.*$", lambda header: f"{header[0]}\n{line}", part, count=1)

    return "".join(change(part) if name == section else part for name, part in _parts(text))


def _parts(text: str) -> list[tuple[str, str]]:
    """Split the text of a settings file into its sections, each with its name and the comments above it.

    The part before the first section has an empty name.
    """
    starts = [(found[1], found.start()) for found in _HEADER.finditer(text)]
    ends = [*(at for _, at in starts), len(text)]
    parts = [(name, text[at:end]) for (name, at), end in zip(starts, ends[1:], strict=True)]
    return [("", text[: ends[0]]), *parts]
