"""Settings of the adviser's site. `deploy.settings.load_settings` reads them from the settings file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from journalist_app.errors import AdviserConfigError
from journalist_app.files.pinned_recipients import RecipientKey, recipient_faults
from report.disclosure import Floors
from report.errors import FloorError
from report.tables import TableLine
from sync.carriers import carrier_of
from web.languages import closest, known_languages
from web.origin import is_loopback

_LISTS = ("themes", "routes", "regions", "outcomes")
ONE_MACHINE: Final = ""  # value of `server`: the sources' site and this site use the same store
_OPTION: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
BY_FILE: Final = "file"  # value of `server`: someone carries pouches over an air gap, as files


@dataclass(frozen=True, slots=True)
class AdviserConfig:
    """Settings of one adviser's site, without secrets.

    Raises:
        AdviserConfigError: some settings cannot be used, and the message names each of them.
    """

    store_path: Path
    keyring_path: Path
    keyring_backups_path: Path
    trusted_state_path: Path
    fingerprint: str
    # loopback address and port; an own address, because browsers send cookies to every port of a host
    bind: str
    idle_minutes: int  # without activity, until the site locks
    upload_bytes: int
    upload_files: int
    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int
    retention_spread_days: int
    themes: dict[str, dict[str, str]]  # in the four lists, each option has a key and a name in each language
    routes: dict[str, dict[str, str]]
    regions: dict[str, dict[str, str]]
    outcomes: dict[str, dict[str, str]]
    public_floor: int  # the yearly report for the public hides smaller counts
    sg_floor: int  # the report for the Secretary-General hides smaller counts
    recipients: tuple[RecipientKey, ...]
    openpgp_home_path: Path  # on tmpfs
    server: str  # `ONE_MACHINE`, `BY_FILE`, or the server's address: "onion:…", "ssh:…" or "unix:…"
    socks: str  # loopback address and port of Tor
    sync_minutes: int

    def __post_init__(self) -> None:
        faults = [] if is_loopback(self.bind) else ["'bind' must be a loopback address and a port"]
        for name in _LISTS:
            try:
                read_options(getattr(self, name))
            except AdviserConfigError as why:
                faults.append(f"{name!r}: {why}")
        try:
            Floors(self.public_floor, self.sg_floor)
        except FloorError:
            faults.append(
                "'public_floor' must be 10 or more and 'sg_floor' 5 or more, both a multiple of five, and "
                "'sg_floor' no higher than 'public_floor'"
            )
        faults += recipient_faults(self.recipients)
        faults += [] if is_loopback(self.socks) else ["'socks' must be a loopback address and a port"]
        try:
            if self.server not in {ONE_MACHINE, BY_FILE}:
                carrier_of(self.server, self.socks)
        except ValueError as why:
            faults.append(f"'server' must be empty, \"file\", or {why}")
        if faults:
            raise AdviserConfigError("; ".join(faults))

    @property
    def floors(self) -> Floors:
        """Return the smallest count that each version of the yearly report shows.

        One version is for the public, and the other for the Secretary-General.
        """
        return Floors(self.public_floor, self.sg_floor)

    def options(self, list_name: str) -> tuple[TableLine, ...]:
        """Return the options of one list in the settings: "themes", "routes", "regions" or "outcomes"."""
        return read_options(getattr(self, list_name))

    @property
    def origin(self) -> str:
        """Return the web origin of this site. Requests for any other origin are refused."""
        return f"http://{self.bind}"


def read_options(names: Mapping[str, Mapping[str, str]]) -> tuple[TableLine, ...]:
    """Return the options of one list in the settings, such as the list of themes.

    `names` maps the key of each option to its names: one for each language.

    Raises:
        AdviserConfigError: a key has characters other than a-z, 0-9 and _, or a name is missing or empty.
    """
    for key, words in names.items():
        is_named = words and words.keys() <= set(known_languages()) and all(map(str.strip, words.values()))
        if not _OPTION.fullmatch(key) or not is_named:
            raise AdviserConfigError(
                f"{key!r} is not a key (a-z, 0-9, _) with a name in one or more languages"
            )
    return tuple(TableLine(key, dict(words)) for key, words in names.items())


def option_name(options: Sequence[TableLine], key: str, language: str) -> str:
    """Return the name of the option with this key, in the adviser's language.

    If the settings have no such option, return the key.
    """
    found = next((option for option in options if option.key == key), None)
    return found.names[closest(language, found.names)] if found else key
