"""Speak with Tor over its control port, through stem.

Whoever is let in there has power over all of Tor. So nothing of ours stays connected but
`steunpunt onion publish`, for those who chose it.

Source: Tor's control-spec, sections 3.27 (ADD_ONION), 3.28 (DEL_ONION) and 3.26 (HSFETCH).
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import stem
from stem.connection import AuthenticationFailure
from stem.control import Controller, EventType
from stem.descriptor.hidden_service import HiddenServiceDescriptorV3
from stem.response.events import HSDescEvent

from deploy.errors import TorAwayError, TorClosedError, TorRefusedError
from deploy.onion.onion_keys import OnionKey

_ASK_AGAIN_SECONDS = 5.0  # the relays that keep descriptors are asked one at a time
_COLLISION = "550"


@contextlib.contextmanager
def connect_to_tor(control: str) -> Iterator[Controller]:
    """Connect to Tor at "unix:/run/tor/control" or "127.0.0.1:9051", signed in with its cookie.

    A password is never asked for: it would have to be kept somewhere.

    Raises:
        TorAwayError: nobody listens there, or Tor went away meanwhile.
        TorClosedError: Tor does not let us in.
        TorRefusedError: Tor refused what it was asked.
    """
    try:
        with _controller(control) as controller:
            controller.authenticate()
            # Of the events that stem asks for by itself we need none. Told of a reload just as its connection
            # closes, stem 1.8.2 waits for itself for ever.
            controller.set_caching(False)
            controller.msg("SETEVENTS")
            yield controller
    except AuthenticationFailure as why:
        raise TorClosedError(
            f"Tor at {control} does not let us in ({type(why).__name__}): it must have CookieAuthentication "
            "1, and this user must be able to read its cookie (Debian: be root, or in the group debian-tor)."
        ) from why
    except (stem.SocketClosed, stem.SocketError) as why:
        raise _away(control) from why
    except stem.ControllerError as why:
        raise TorRefusedError(
            f"Tor at {control} did not understand what it was asked: is it 0.4.8 or newer?"
        ) from why


def _controller(control: str) -> Controller:
    if control.startswith("unix:"):
        path = control.removeprefix("unix:")
        _knock(control, socket.AF_UNIX, path)
        return Controller.from_socket_file(path)
    host, _, port = control.rpartition(":")
    host = host.strip("[]")
    _knock(control, socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(port)))
    return Controller.from_port(host, int(port))


def _knock(control: str, family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    """See whether somebody listens: stem leaves a socket open that it could not connect."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError as why:
            raise _away(control) from why


def _away(control: str) -> TorAwayError:
    return TorAwayError(
        f"Nobody answers at {control}: Tor does not run, its settings open no control port there, or this "
        "user may not enter. Debian: systemctl status tor@default; then be root, or in the group debian-tor."
    )


def add_onion(
    controller: Controller, key: OnionKey, target: str, *, clients: list[str] | None = None
) -> None:
    """Publish a service at port 80 until Tor ends; `target` is the path of a Unix socket, without a space.

    Without `clients` it is for everybody, with the proof-of-work defence on. With `clients`, public keys in
    base32, it opens for those alone; they must not be none, and whoever is inside is cut off first. What runs
    under this key already is replaced.

    Raises:
        TorRefusedError: Tor said no.
    """
    address = key.host.removesuffix(".onion")
    controller.msg(f"DEL_ONION {address}")  # "no such service" is as well
    if clients is not None:
        _hang_up(controller, address)
    flags = "Detach" if clients is None else "Detach,V3Auth"
    command = f"ADD_ONION {key.control_text()} Flags={flags} Port=80,unix:{target}"
    command += (
        " PoWDefensesEnabled=1" if clients is None else "".join(f" ClientAuthV3={each}" for each in clients)
    )
    if not controller.msg(command).is_ok():
        # Tor's own words are left out: they may quote the command, and with it the key.
        raise TorRefusedError(
            "Tor did not publish the onion service. It must be 0.4.8 or newer, with the module pow "
            "(tor --list-modules), and not in single-hop mode."
        )


def _hang_up(controller: Controller, address: str) -> None:
    """Close the lines of whoever is inside: Tor looks at a client's key only when a new line is made.

    Without this a stolen workstation comes in for as long as it keeps its line (tried with tor 0.4.9.11).
    """
    for circuit in controller.get_circuits():
        if circuit.purpose == stem.CircPurpose.HS_SERVICE_REND and circuit.rend_query == address:
            with contextlib.suppress(stem.InvalidArguments):  # gone by itself
                controller.close_circuit(circuit.id)


@dataclass(frozen=True, slots=True)
class PublishedService:
    """What everybody who asks the Tor network finds out about an onion service.

    The two promises are None where a key is needed to look, as it must be at the door for sync.
    """

    defends_by_work: bool | None
    is_single_hop: bool | None


def fetch_published(controller: Controller, host: str, *, seconds: float) -> PublishedService | None:
    """Fetch a service's descriptor from the Tor network; None if nobody has one after so many seconds.

    Raises:
        TorRefusedError: Tor does not fetch.
    """
    address = host.removesuffix(".onion")
    arrived = threading.Event()

    def listen(event: HSDescEvent) -> None:
        if event.address == address and event.action == "RECEIVED":
            arrived.set()

    controller.add_event_listener(listen, EventType.HS_DESC)
    try:
        deadline = time.monotonic() + seconds
        while not arrived.is_set():
            if time.monotonic() > deadline:
                return None
            if not controller.msg(f"HSFETCH {address}").is_ok():
                raise TorRefusedError("Tor does not look for onion services: is it 0.4.8 or newer?")
            arrived.wait(_ASK_AGAIN_SECONDS)
    finally:
        controller.remove_event_listener(listen)
    return _of_descriptor(controller.get_info(f"hs/client/desc/id/{address}", ""), address)


def _of_descriptor(text: str, address: str) -> PublishedService:
    if text:
        with contextlib.suppress(ValueError):  # it needs a client's key
            inner = HiddenServiceDescriptorV3.from_str(text).decrypt(address)
            return PublishedService(
                any(line.startswith("pow-params v1 ") for line in inner.get_unrecognized_lines()),
                bool(inner.is_single_service),
            )
    return PublishedService(None, None)
