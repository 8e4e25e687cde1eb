"""State of the onion services as the Tor network shows it, with advice on what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stem.control import Controller

from deploy.errors import OnionError, OnionFolderError
from deploy.onion.clients import admitted_clients
from deploy.onion.control import PublishedService, connect_to_tor, fetch_published
from deploy.onion.folders import read_host
from deploy.ports import UNIX, may_connect
from deploy.settings.onion_settings import OnionConfig, Way

_WHOLE = "PROGRESS=100"
_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One sentence about the state of the onion services, with advice for the operator.

    `to_do` says what to do, and is empty if there is nothing to do.
    """

    state: str
    to_do: str = ""

    @property
    def text(self) -> str:
        """Return the state, and below it what to do."""
        return f"{self.state}\n  Do this: {self.to_do}" if self.to_do else self.state


def check_onion_status(
    config: OnionConfig, *, onion_host: str, source_socket: str, seconds: float = _LOOK_SECONDS
) -> list[StatusLine]:
    """Check whether Tor runs, and fetch both onion services from the Tor network. Return the lines to print.

    Each fetch takes at most `seconds`.

    Raises:
        TorAwayError: Tor is not running, or nothing listens at its control port.
        OnionError: Tor refuses to sign us in.
    """
    with connect_to_tor(config.control) as controller:
        return list(_status_lines(controller, config, onion_host, source_socket, seconds))


def _status_lines(
    controller: Controller, config: OnionConfig, onion_host: str, source_socket: str, seconds: float
) -> Iterator[StatusLine]:
    version = str(controller.get_version()).split(maxsplit=1)[0]
    if _WHOLE in controller.get_info("status/bootstrap-phase"):
        yield StatusLine(f"Tor {version} is running and connected to its network.")
    else:
        yield StatusLine(
            f"Tor {version} is running, and not connected to its network yet.",
            "Wait a minute and ask again. If nothing changes, this machine cannot reach Tor: read Tor's log.",
        )
        return
    if controller.get_conf("HiddenServiceSingleHopMode") == "1":
        yield StatusLine(
            "This Tor is in single-hop mode: anyone who watches the network sees where this machine is.",
            "Remove HiddenServiceSingleHopMode and HiddenServiceNonAnonymousMode from its settings.",
        )
    yield from _socket(source_socket, config.control)
    host = read_host(config.source_folder) or onion_host
    if not host:
        yield StatusLine("The source's onion has no address that this user can read.", _without_host(config))
    else:
        yield from _source(host, onion_host, fetch_published(controller, host, seconds=seconds), config)
    if config.sync_socket:
        yield from _sync(controller, config, seconds)


def _socket(path: str, control: str) -> Iterator[StatusLine]:
    if not path:
        yield StatusLine(
            "The source's interface has no socket for Tor.", "Fill in 'onion_socket' under [source]."
        )
    elif not Path(path).is_socket():
        yield StatusLine(
            f"Nothing listens at {path}, through which Tor reaches the source's interface.",
            "Start the source's interface, or the proxy that 'proxy_socket' names. If it is running, this "
            "user may not look into the socket's folder.",
        )
    elif not _tor_may_use(Path(path), control):
        yield StatusLine(
            f"Tor's user may not connect to {path}, so no visitor reaches the source's interface.",
            "Give the socket's folder Tor's group and mode 2750 (systemd-tmpfiles --create), and restart the "
            "source's interface.",
        )


def _tor_may_use(path: Path, control: str) -> bool:
    """Return False if file modes forbid Tor to connect to the Unix socket at `path`.

    Tor runs as the owner of Tor's control socket. If the modes or the owner cannot be read, return True.
    """
    try:
        return may_connect(path, Path(control.removeprefix(UNIX)).stat().st_uid)
    except (OSError, KeyError):
        return True


def _source(
    host: str, set_host: str, found: PublishedService | None, config: OnionConfig
) -> Iterator[StatusLine]:
    address = f"The source's onion, http://{host},"
    if found is None:
        yield StatusLine(f"{address} is not known in the Tor network.", _unpublished(config))
    else:
        yield StatusLine(f"{address} is published.")
        if found.defends_by_work is False:
            yield StatusLine(
                "Its proof-of-work defence is off: a flood can shut sources out.", _publish_again(config)
            )
        elif found.defends_by_work:
            yield StatusLine("Its proof-of-work defence is on.")
        if found.is_single_hop:
            yield StatusLine(
                "It is published as a single hop, which shows where this machine is.", _publish_again(config)
            )
    if set_host != host:
        yield StatusLine(
            "The source's interface does not know this address, and refuses everyone who uses it.",
            f'Write onion_host = "{host}" under [source], and restart the source\'s interface.',
        )


def _sync(controller: Controller, config: OnionConfig, seconds: float) -> Iterator[StatusLine]:
    host = read_host(config.sync_folder) or config.sync_host
    if not host:
        yield StatusLine("The onion for sync has no address that this user can read.", _without_host(config))
        return
    try:
        names = ", ".join(admitted_clients(config.clients_folder))
    except OnionFolderError:
        names = "only root can see which"
    except OnionError as why:
        yield StatusLine(
            "The list of workstations that may connect to the onion for sync cannot be read.", str(why)
        )
        return
    found = fetch_published(controller, host, seconds=seconds)
    if found is None:
        yield StatusLine(
            f"The onion for sync, {host}, is not known in the Tor network.", _unpublished(config)
        )
    elif found.is_single_hop is not None:
        yield StatusLine(f"The onion for sync, {host}, is open to everyone.", _publish_again(config))
    else:
        yield StatusLine(f"The onion for sync, {host}, is published, and open only with a workstation's key.")
    if names:
        yield StatusLine(f"Workstations that may connect: {names}.")
    else:
        yield StatusLine(
            "No workstation may connect yet.", "Pair one, or run: steunpunt onion admit NAME KEY."
        )


def _without_host(config: OnionConfig) -> str:
    if config.way == Way.CONTROL:
        return "Start steunpunt onion publish."
    return (
        "Give Tor the lines of steunpunt onion torrc, and then: systemctl reload tor. If that is done, this "
        f"user may not look into {config.folder}: be root."
    )


def _unpublished(config: OnionConfig) -> str:
    how = "steunpunt onion publish must run" if config.way == Way.CONTROL else "Tor must have its lines"
    return f"A new service takes a minute: ask again. If nothing changes: {how}, and the clock must be right."


def _publish_again(config: OnionConfig) -> str:
    if config.way == Way.CONTROL:
        return "Restart steunpunt onion publish."
    return "Give Tor the lines of steunpunt onion torrc unchanged, and then: systemctl reload tor."
