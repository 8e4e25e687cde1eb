"""Settings of the adviser interface. `deploy.settings.load_settings` reads them from the settings file."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from journalist_app.errors import AdviserConfigError
from journalist_app.files.pinned_recipients import RecipientKey, recipient_faults
from journalist_app.inbox.option_lists import Option, read_options
from report.disclosure import Floors
from report.errors import FloorError
from sync.carriers import carrier_of

_PORTS = range(1, 65536)
_LISTS = ("themes", "routes", "regions", "outcomes")
ONE_MACHINE: Final = ""  # the store is the one that the source's interface writes
BY_FILE: Final = "file"  # an air gap: pouches are carried as files


@dataclass(frozen=True, slots=True)
class AdviserConfig:
    """The settings of one adviser's interface; it holds no secret.

    `bind` is "127.0.0.2:8081": an address of the loopback network and a port. A host of its own, since
    cookies ignore ports. Sizes are bytes, `idle_minutes` is the time without activity before it locks itself.
    The four lists have lines "key: Nederlands / English"; what is kept and counted is the key. A count under
    its floor is not shown in that version of the yearly report. `openpgp_home_path` is a folder on tmpfs.

    `server` is where the store is that sources write to: empty when it is this very one, "file" over an air
    gap, else "onion:…", "ssh:…" or "unix:…". `socks` is Tor's, a loopback address and a port.

    Raises:
        ConfigError: names every setting that cannot be used, in one message.
    """

    store_path: Path
    keyring_path: Path
    trusted_state_path: Path
    fingerprint: str
    bind: str
    idle_minutes: int
    upload_bytes: int
    upload_files: int
    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int
    retention_spread_days: int
    themes: tuple[str, ...]
    routes: tuple[str, ...]
    regions: tuple[str, ...]
    outcomes: tuple[str, ...]
    public_floor: int
    sg_floor: int
    recipients: tuple[RecipientKey, ...]
    openpgp_home_path: Path
    mat2_without_sandbox: bool
    server: str
    socks: str
    sync_minutes: int

    def __post_init__(self) -> None:
        faults = [] if _is_loopback(self.bind) else ["'bind' must be a loopback address and a port"]
        faults += [
            f"{name!r} must be more than zero"
            for name in (
                "idle_minutes",
                "upload_bytes",
                "upload_files",
                "mailbox_bytes",
                "store_bytes",
                "sync_minutes",
            )
            if getattr(self, name) <= 0
        ]
        faults += [
            f"{name!r} must not be negative"
            for name in ("reserve_bytes", "retention_spread_days")
            if getattr(self, name) < 0
        ]
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
        faults += [] if _is_loopback(self.socks) else ["'socks' must be a loopback address and a port"]
        try:
            if self.server not in {ONE_MACHINE, BY_FILE}:
                carrier_of(self.server, self.socks)
        except ValueError as why:
            faults.append(f"'server' must be empty, \"file\", or {why}")
        if faults:
            raise AdviserConfigError("; ".join(faults))

    @property
    def floors(self) -> Floors:
        """Return the thresholds of the yearly report."""
        return Floors(self.public_floor, self.sg_floor)

    def offered(self, what: str) -> tuple[Option, ...]:
        """Return what can be chosen as "themes", "routes", "regions" or "outcomes"."""
        return read_options(getattr(self, what))

    @property
    def origin(self) -> str:
        """Return the only origin that this interface answers to."""
        return f"http://{self.bind}"


def _is_loopback(bind: str) -> bool:
    host, _, port = bind.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False  # a name may point elsewhere tomorrow
    return address.is_loopback and port.isascii() and port.isdigit() and int(port) in _PORTS
