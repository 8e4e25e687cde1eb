"""Read the settings file: one section for each process, and one message that names all faults."""

import ipaddress
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from deploy.errors import ConfigError
from deploy.settings.onion_address import is_onion_host

_Config = TypeVar("_Config")
_Table = dict[str, Any]

_PORTS = range(1, 65536)
_SECTIONS = ("desk", "source", "adviser", "onion", "sync")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")
_FINGERPRINT = re.compile(r"RW[A-Za-z0-9+/]{54}")  # a minisign public key: 42 bytes in base64
_MAY_BE_ZERO = frozenset({"reserve_bytes", "retention_spread_days"})
_WEEK = range(7)
_ROUTES = ("conduct", "integrity", "complaints")  # in names of settings: where_ROUTE_LANGUAGE
_LINE_CHARS = 200
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_SOCKET_PATH_CHARS = 107  # sockaddr_un has 108 bytes, and the last one is a zero


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Section [desk]: the desk's public statements.

    `steunpunt setup` signs these statements into the first letterhead, which everyone may read.
    `working_days` counts from 0 for Monday. Texts and lists are in Dutch (`_nl`) and in English (`_en`).
    `talk` says how a source can talk to the desk instead of writing. `secrecy_limits` lists the cases in
    which an adviser has a duty to report.
    """

    name_nl: str
    name_en: str
    workstation_name: str
    working_days: tuple[int, ...]
    closed_days: tuple[date, ...]
    answer_working_days: int
    confirm_days: int
    substance_months: int
    retention_days: int
    abandoned_months: int
    talk_nl: str
    talk_en: str
    secrecy_limits_nl: tuple[str, ...]
    secrecy_limits_en: tuple[str, ...]


def load_config(path: Path, section: str, shape: type[_Config]) -> _Config:
    """Read one section of a TOML settings file into its frozen dataclass.

    Relative paths start from the folder of the file.

    Raises:
        ConfigError: the file cannot be read, or has faults in this section. The message names all of them.
    """
    document = _document(path)
    faults = [f"unknown section [{name}]" for name in document.keys() - set(_SECTIONS)]
    table = document.get(section)
    if not isinstance(table, dict):
        raise _refuse(path, [*faults, f"missing section [{section}]"])
    wanted = get_type_hints(shape)
    needed = {each.name for each in fields(shape)}  # type: ignore[arg-type]  # every shape is a dataclass
    faults += [f"unknown key {key!r}" for key in table.keys() - needed]
    faults += [f"missing key {key!r}" for key in needed - table.keys()]
    settings = {}
    for key in sorted(needed & table.keys()):
        try:
            settings[key] = _read(table[key], wanted[key], path.parent)
            if check := _CHECKS.get(key):
                check(settings[key])
            if type(settings[key]) is int and settings[key] <= 0 and key not in _MAY_BE_ZERO:
                faults.append(f"{key!r} must be more than zero")
        except TypeError:
            faults.append(f"{key!r} must be {_describe(wanted[key])}")
        except ValueError as why:
            faults.append(f"{key!r} must be {why}")
    if faults:
        raise _refuse(path, [f"[{section}] {fault}" for fault in faults])
    try:
        return shape(**settings)
    except ValueError as why:
        raise _refuse(path, [f"[{section}] {why}"]) from why


def sections_in(path: Path) -> frozenset[str]:
    """Return the names of the sections in a settings file.

    The names show whether the machine is a server or a workstation.

    Raises:
        ConfigError: the file cannot be read.
    """
    return frozenset(_document(path))


def _document(path: Path) -> _Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as why:
        raise ConfigError(f"{path}: not readable as TOML ({type(why).__name__}).") from why


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
    """Convert a TOML value to the type of its setting. Lists become tuples, and tables become dataclasses.

    Raises:
        TypeError: the value has another type.
    """
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise TypeError
        return (folder / value).absolute()
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_read(each, get_args(kind)[0], folder) for each in value)
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        if value.keys() != hints.keys():
            raise TypeError
        return kind(**{key: _read(value[key], hints[key], folder) for key in hints})
    if type(value) is not kind:  # isinstance would accept True as an int
        raise TypeError
    return value


def _describe(kind: Any) -> str:  # noqa: ANN401  # the same
    if get_origin(kind) is not tuple:
        return _NAMES[kind][0]
    (row, _) = get_args(kind)  # a tuple of any number of values, or of dataclasses
    if is_dataclass(row):
        return f"a list of tables, each with {', '.join(each.name for each in fields(row))}"
    return f"a list of {_NAMES[row][1]}"


# ---- rules of single settings ----------------------------------------------------------------------


def _loopback_or_unix(bind: str) -> None:
    """Check that an address is like "127.0.0.1:8080", "[::1]:8080" or "unix:/run/steunpunt/source.sock".

    Only a reverse proxy or Tor on the same machine may face the network, because gunicorn is not made to face
    the network.

    Raises:
        ValueError: the address has another form. The message says which form is expected.
    """
    if bind.startswith("unix:/"):
        return
    host, _, port = bind.rpartition(":")
    fault = "a loopback address with a port, or unix: and an absolute path"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(fault) from None  # a host name may point elsewhere tomorrow
    if not address.is_loopback or not (port.isascii() and port.isdigit() and int(port) in _PORTS):
        raise ValueError(fault)


def _matches(pattern: re.Pattern[str], fault: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if not pattern.fullmatch(value):
            raise ValueError(fault)

    return check


def _some_days_of_the_week(days: tuple[int, ...]) -> None:
    if not days or len(set(days)) != len(days) or any(day not in _WEEK for day in days):
        raise ValueError("one or more days from 0 (Monday) to 6, each once")


def _not_empty(value: str) -> None:
    if not value.strip():
        raise ValueError("a text that is not empty")


def _one_line(value: str) -> None:
    """Check that a text is empty or one short line.

    The text is shown on the pages of the signpost, which help a source to choose a route. These pages have
    room for one line only.

    Raises:
        ValueError: the text is too long, or has several lines.
    """
    if len(value) > _LINE_CHARS or not value.isprintable():
        raise ValueError(f"one line of at most {_LINE_CHARS} characters, or empty")


def _onion_or_empty(host: str) -> None:
    if host and not is_onion_host(host):
        raise ValueError("the address of an onion service without http://, small letters, or empty")


def _socket_or_empty(path: str) -> None:
    """Check that a text is empty, or a path that needs no quotes in Tor's settings and at its control port.

    A space would need quotes in the settings, and the control port has no way to quote a space.

    Raises:
        ValueError: the path needs quotes, or is not a usable path.
    """
    if path and not (_PLAIN_PATH.fullmatch(path) and len(path) <= _SOCKET_PATH_CHARS):
        raise ValueError(
            "the absolute path of a Unix socket without a space (at most 107 of A-Z a-z 0-9 ./_-), or empty"
        )


def _way(way: str) -> None:
    if way not in ("torrc", "control"):
        raise ValueError('"torrc" or "control"')


_CHECKS: dict[str, Callable[[Any], None]] = {
    "way": _way,
    "control": _loopback_or_unix,
    "onion_host": _onion_or_empty,
    "onion_socket": _socket_or_empty,
    "sync_socket": _socket_or_empty,
    "bind": _loopback_or_unix,
    "origin": _matches(_ORIGIN, "an address such as http://127.0.0.1:8080, without a path"),
    "leave_url": _matches(re.compile(r"https://\S+"), "an address that begins with https://"),
    "fingerprint": _matches(_FINGERPRINT, "the desk's public key: RW and 54 more characters"),
    "working_days": _some_days_of_the_week,
    "name_nl": _not_empty,
    "name_en": _not_empty,
    "workstation_name": _not_empty,
    **{f"where_{route}_{language}": _one_line for route in _ROUTES for language in ("nl", "en")},
}
