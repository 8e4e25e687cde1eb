"""Text of a settings file: made from the example, and changed without a loss of comments and values."""

import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from deploy.hardening import TMPFS

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
_HEADER = re.compile(r"(?m)^(?:#.*\n)*\[([a-z]+)\][^\S\n]*(?:#.*)?$")  # with the comments above it
_GAP = "\n\n\n"  # between two sections
_ANY_HEADER = re.compile(r"\s*\[+\s*([\w.-]+)\s*\]+\s*(?:#.*)?")
_SETTINGS = re.compile(r"(?m)^(?=[a-z0-9_.]+ = )")  # in the example, where each begins a line


def from_example(
    sections: Collection[str], fingerprint: str, keys: Mapping[tuple[str, str], str | Sequence[str]]
) -> str:
    """Return the text of a new settings file: these sections of the example, with this fingerprint.

    `keys` maps a pair of section and setting to a value. Paths under /dev/shm get a random folder name.
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


def with_key(text: str, section: str, key: str, value: str | Sequence[str]) -> str:
    """Return the text of a settings file in which one setting of a section is changed or added.

    The new value is a string or a list of strings. Each string must be printable.
    """
    line = f"{key} = {json.dumps(value, ensure_ascii=False)}"

    def change(part: str) -> str:
        changed, count = re.subn(rf"(?m)^{re.escape(key)}\s*=.*$", lambda _: line, part, count=1)
        if count:
            return changed
        return re.sub(r"(?m)^\[.*$", lambda header: f"{header[0]}\n{line}", part, count=1)

    return "".join(change(part) if name == section else part for name, part in _parts(text))


def with_section(text: str, example: str, section: str) -> str:
    """Add the comments and the header of a section of `example` to the end of a text. Return the new text."""
    comment, header, _ = dict(_parts(example))[section].partition(f"[{section}]\n")
    return text.rstrip("\n") + _GAP + comment + header


def with_documented_keys(text: str, example: str, section: str, keys: Collection[str]) -> str:
    """Copy keys with their comments and values from `example` to a section of `text`. Return the new text."""
    blocks = (_with_only(block, keys) for block in dict(_parts(example))[section].split("\n\n"))
    added = "\n\n".join(filter(None, blocks))
    return "".join(
        f"{part.rstrip()}\n\n{added}{part[len(part.rstrip()) :] or chr(10)}" if name == section else part
        for name, part in _parts(text)
    )


def _with_only(block: str, keys: Collection[str]) -> str:
    """Remove all keys except `keys` from a block of a settings file. If no key is left, return ""."""
    comment, *settings = _SETTINGS.split(block)
    kept = [each.rstrip() for each in settings if re.split("[ .]", each, maxsplit=1)[0] in keys]
    return "\n".join([comment.strip(), *kept]).strip() if kept else ""


def line_of(text: str, section: str, key: str = "") -> int:
    """Return the number of the line with a key, or with the section's header if `key` is empty.

    The first line has the number 1. If there is no such line, return 0.
    """
    setting = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
    here = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _ANY_HEADER.fullmatch(line):
            here = header[1]
            if here == (f"{section}.{key}" if key else section):
                return number
        elif key and here == section and setting.match(line):
            return number
    return 0


def _parts(text: str) -> list[tuple[str, str]]:
    """Split the text of a settings file into its sections, each with its name and the comments above it.

    The part before the first section has an empty name.
    """
    starts = [(found[1], found.start()) for found in _HEADER.finditer(text)]
    ends = [*(at for _, at in starts), len(text)]
    parts = [(name, text[at:end]) for (name, at), end in zip(starts, ends[1:], strict=True)]
    return [("", text[: ends[0]]), *parts]
