"""Reading of the settings file: one section for each process, and one message that names all faults."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from deploy.errors import ConfigError
from deploy.settings.onion_address import is_onion_host
from deploy.settings.settings_text import line_of
from web.languages import known_languages
from web.normal_text import is_visible_line
from web.origin import is_loopback

_Config = TypeVar("_Config")
_Table = dict[str, Any]

_SECTIONS = ("desk", "source", "adviser", "onion", "sync", "backup", "check", "database")
_LINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Section [desk] of the settings: the texts and days that the desk publishes.

    `working_days` has numbers from 0 (Monday) to 6 (Sunday). `name`, `talk` and `secrecy_limits` map the code
    of each language to the text in this language.
    """

    name: dict[str, str]
    workstation_name: str
    working_days: tuple[int, ...]
    closed_days: tuple[date, ...]
    answer_working_days: int
    confirm_days: int
    substance_months: int
    retention_days: int
    abandoned_months: int
    talk: dict[str, str]
    secrecy_limits: dict[str, tuple[str, ...]]


def load_config(path: Path, section: str, shape: type[_Config], *, raw: bytes | None = None) -> _Config:
    """Read one section of a TOML settings file into the dataclass `shape`.

    Relative paths start from the folder of `path`. If `raw` is given, it is read instead of the file.

    Raises:
        ConfigError: the file cannot be read, or has faults. The message names all faults of the section.
    """
    document, text = _document(path, raw)
    faults = [f"unknown section [{name}]{_place(text, name)}" for name in document.keys() - set(_SECTIONS)]
    table = document.get(section)
    if not isinstance(table, dict):
        raise _refuse(path, [*faults, f"missing section [{section}]"])
    wanted = get_type_hints(shape)
    needed = {each.name for each in fields(shape)}  # type: ignore[arg-type]  # every shape is a dataclass
    faults += [f"unknown key {key!r}{_place(text, section, key)}" for key in table.keys() - needed]
    faults += [f"missing key {key!r} (run: steunpunt upgrade)" for key in needed - table.keys()]
    settings = {}
    for key in sorted(needed & table.keys()):
        try:
            value = settings[key] = _read(table[key], wanted[key], path.parent)
        except TypeError:
            faults.append(f"{key!r} must be {_describe(wanted[key])}")
        else:
            is_right, form = _RULES.get(key, _USUAL)
            if not is_right(value):
                faults.append(f"{key!r} must be {form}")
    if faults:
        raise _refuse(path, [f"[{section}] {fault}" for fault in faults])
    try:
        return shape(**settings)
    except ValueError as why:
        raise _refuse(path, [f"[{section}] {why}"]) from why


def sections_in(path: Path, *, raw: bytes | None = None) -> frozenset[str]:
    """Return the names of the sections in a settings file.

    A server and a workstation have different sections. If `raw` is given, it is read instead of the file.

    Raises:
        ConfigError: the file cannot be read.
    """
    return frozenset(_document(path, raw)[0])


def read_sections(path: Path) -> dict[str, _Table]:
    """Return the sections of a settings file, without a check of their values.

    Raises:
        ConfigError: the file cannot be read.
    """
    return {name: table for name, table in _document(path)[0].items() if isinstance(table, dict)}


def _document(path: Path, raw: bytes | None = None) -> tuple[_Table, str]:
    try:
        text = (path.read_bytes() if raw is None else raw).decode("utf-8")
        return tomllib.loads(text), text
    except FileNotFoundError as why:
        raise ConfigError(
            f"There are no settings in {path}: run steunpunt setup, or name another file with --settings."
        ) from why
    except (OSError, ValueError, RecursionError) as why:
        raise ConfigError(f"{path}: not readable as TOML ({type(why).__name__}).") from why


def _place(text: str, section: str, key: str = "") -> str:
    number = line_of(text, section, key)
    return f" in line {number}" if number else ""


def _refuse(path: Path, faults: list[str]) -> ConfigError:
    return ConfigError(f"{path}: " + "; ".join(sorted(faults)) + ".")


# ---- how each type is written in TOML --------------------------------------------------------------

_NAMES: dict[type, tuple[str, str]] = {
    str: ("a text", "texts"),
    int: ("a whole number", "whole numbers"),
    bool: ("true or false", ""),
    Path: ("a path", "paths"),
    date: ("a day", "days"),
}


def _read(value: object, kind: Any, folder: Path) -> Any:  # noqa: ANN401  # any type of a setting
    """Convert a value of the TOML file to the type of its setting.

    Lists become tuples, tables become dictionaries or dataclasses.

    Raises:
        TypeError: the value has another type.
    """
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise TypeError
        return (folder / value).absolute()
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_read(each, get_args(kind)[0], folder) for each in value)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {key: _read(each, get_args(kind)[1], folder) for key, each in value.items()}
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        if value.keys() != hints.keys():
            raise TypeError
        return kind(**{key: _read(value[key], hints[key], folder) for key in hints})
    if type(value) is not kind:  # isinstance would accept True as an int
        raise TypeError
    return value


def _describe(kind: Any) -> str:  # noqa: ANN401  # the same
    if get_origin(kind) is dict:
        return "a table of texts"
    if get_origin(kind) is not tuple:
        return _NAMES[kind][0]
    (row, _) = get_args(kind)  # a tuple of any number of values, or of dataclasses
    if is_dataclass(row):
        return f"a list of tables, each with {', '.join(each.name for each in fields(row))}"
    return f"a list of {_NAMES[row][1]}"


# ---- rules of single settings ----------------------------------------------------------------------


def _has_known_languages(texts: dict[str, object]) -> bool:
    return texts.keys() <= set(known_languages())  # no page would show a text in another language


# For each setting: the rule, and what the value must be. A rule returns something true for a right value.
_Rule = tuple[Callable[[Any], object], str]
_USUAL: _Rule = (lambda value: type(value) is not int or value > 0, "more than zero")
_NOT_NEGATIVE: _Rule = (lambda value: value >= 0, "zero or more")
_BIND: _Rule = (
    lambda bind: bind.startswith("unix:/") or is_loopback(bind),
    "a loopback address with a port, or unix: and an absolute path",
)
# sockaddr_un has 108 bytes, and the last one is a zero. A path with a space needs quotes in Tor's settings,
# and the control port has no way to quote a space.
_SOCKET: _Rule = (
    re.compile(r"(/[A-Za-z0-9._/-]{1,106})?").fullmatch,
    "the absolute path of a Unix socket without a space (at most 107 of A-Z a-z 0-9 ./_-), or empty",
)
# Shown on the pages of the signpost, which help a source to choose a route and have room for one line only.
_ONE_LINE: _Rule = (
    lambda values: (
        _has_known_languages(values)
        and all(len(value) <= _LINE_CHARS and value.isprintable() for value in values.values())
    ),
    f"one line of at most {_LINE_CHARS} characters for each language, or empty",
)
_ONION_HOST: _Rule = (
    lambda host: not host or is_onion_host(host),
    "the address of an onion service without http://, small letters, or empty",
)
_RULES: dict[str, _Rule] = {
    "store_path": (  # of a URL, a path has the part "postgresql:"
        lambda path: "postgresql:" not in path.parts and "postgres:" not in path.parts,
        "the path of a file: the address of a database belongs under [database]",
    ),
    "way": (re.compile("torrc|control").fullmatch, '"torrc" or "control"'),
    "control": _BIND,
    "onion_host": _ONION_HOST,
    "sync_host": _ONION_HOST,
    "onion_socket": _SOCKET,
    "sync_socket": _SOCKET,
    "proxy_socket": _SOCKET,
    "health_socket": _SOCKET,
    "failure_command": (
        lambda path: not path or (path.startswith("/") and path.isprintable()),
        "the absolute path of a program, or empty",
    ),
    "bind": _BIND,
    "origin": (
        re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?").fullmatch,
        "an address such as http://127.0.0.1:8080, without a path",
    ),
    "leave_url": (re.compile(r"https://\S+").fullmatch, "an address that begins with https://"),
    "security_contact": (
        re.compile(r"((mailto:|https://|tel:)[!-~]+)?").fullmatch,
        "an address that begins with mailto:, https:// or tel:, or empty",
    ),
    "fingerprint": (
        re.compile(r"RW[A-Za-z0-9+/]{54}").fullmatch,  # a minisign public key: 42 bytes in base64
        "the desk's public key: RW and 54 more characters",
    ),
    "reserve_bytes": _NOT_NEGATIVE,
    "retention_spread_days": _NOT_NEGATIVE,
    "new_mailboxes_an_hour": _NOT_NEGATIVE,
    "working_days": (
        lambda days: days and len(set(days)) == len(days) and set(days) <= set(range(7)),
        "one or more days from 0 (Monday) to 6, each once",
    ),
    "name": (
        lambda names: names and _has_known_languages(names) and all(map(is_visible_line, names.values())),
        "one line for each language",
    ),
    **dict.fromkeys(("talk", "secrecy_limits"), (_has_known_languages, "a text for each language")),
    "workstation_name": (is_visible_line, "one line of visible characters"),
    **dict.fromkeys(
        ("languages", "security_languages"),
        (
            lambda codes: codes and len(set(codes)) == len(codes) and set(codes) <= set(known_languages()),
            f"one or more of these languages, each once: {', '.join(known_languages())}",
        ),
    ),
    **dict.fromkeys(("where_conduct", "where_integrity", "where_complaints"), _ONE_LINE),
}
