"""Commands to Tor over its control port, through the library stem.

A program that is connected to the control port has power over all of Tor. So no process of this program stays
connected, except `steunpunt onion publish` for operators who chose to use it.

Source: Tor's control-spec, sections 3.27 (ADD_ONION), 3.28 (DEL_ONION) and 3.26 (HSFETCH).
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import stem
from stem.connection import AuthenticationFailure
from stem.control import Controller, EventType
from stem.descriptor.hidden_service import HiddenServiceDescriptorV3
from stem.response.events import HSDescEvent

from deploy.errors import OnionError, TorAwayError
from deploy.onion.onion_keys import OnionKey
from deploy.ports import is_listening, socket_address

_ASK_AGAIN_SECONDS = 5.0  # time until the next relay that keeps descriptors is asked


@contextlib.contextmanager
def connect_to_tor(control: str) -> Iterator[Controller]:
    """Connect to the control port of Tor, and sign in with Tor's cookie.

    The address is a socket such as "unix:/run/tor/control", or a port such as "127.0.0.1:9051".

    Raises:
        TorAwayError: nothing listens at this address, or the connection was lost.
        OnionError: Tor refuses to sign us in, or refuses a command.
    """
    try:
        with _controller(control) as controller:
            controller.authenticate()
            # stem subscribes to events that we do not need. If an event of a reload arrives while the
            # connection closes, stem 1.8.2 deadlocks.
            controller.set_caching(False)
            controller.msg("SETEVENTS")
            yield controller
    except AuthenticationFailure as why:
        raise OnionError(
            f"Tor at {control} refuses to sign us in ({type(why).__name__}): it must have "
            "CookieAuthentication 1, and this user must be able to read its cookie (Debian: be root, or in "
            "the group debian-tor)."
        ) from why
    except (stem.SocketClosed, stem.SocketError) as why:
        raise _away(control) from why
    except stem.ControllerError as why:
        raise OnionError(f"Tor at {control} did not understand a command: is it 0.4.8 or newer?") from why


def _controller(control: str) -> Controller:
    if not is_listening(control):  # ask first: stem never closes a socket that it could not connect
        raise _away(control)
    _, place = socket_address(control)
    return Controller.from_socket_file(place) if isinstance(place, str) else Controller.from_port(*place)


def _away(control: str) -> TorAwayError:
    return TorAwayError(
        f"Nothing answers at {control}: Tor is not running, its settings open no control port there, or this "
        "user may not use it. Debian: systemctl status tor@default, then be root or in the group debian-tor."
    )


def add_onion(
    controller: Controller, key: OnionKey, target: str, *, clients: list[str] | None = None
) -> None:
    """Make Tor publish an onion service at port 80, until Tor ends.

    `target` is the path of a Unix socket, without a space. Only clients with a public key in `clients`
    (base32) can connect. If `clients` is None, everyone can connect.

    Raises:
        OnionError: Tor refused.
    """
    address = key.host.removesuffix(".onion")
    controller.msg(f"DEL_ONION {address}")  # the answer "no such service" is fine too
    if clients is not None:
        _close_connections(controller, address)
    flags = "Detach" if clients is None else "Detach,V3Auth"
    command = f"ADD_ONION {key.control_text()} Flags={flags} Port=80,unix:{target}"
    command += (
        " PoWDefensesEnabled=1" if clients is None else "".join(f" ClientAuthV3={each}" for each in clients)
    )
    if not controller.msg(command).is_ok():
        # Tor's own message is left out: it may quote the command, and with it the key.
        raise OnionError(
            "Tor did not publish the onion service. It must be 0.4.8 or newer, with the module pow "
            "(tor --list-modules), and not in single-hop mode."
        )


def _close_connections(controller: Controller, address: str) -> None:
    # Tor checks a client's key only when the client connects (tried with tor 0.4.9.11). A stolen workstation
    # could otherwise sync for as long as it keeps its connection.
    for circuit in controller.get_circuits():
        if circuit.purpose == stem.CircPurpose.HS_SERVICE_REND and circuit.rend_query == address:
            with contextlib.suppress(stem.InvalidArguments):  # the circuit closed by itself
                controller.close_circuit(circuit.id)


@dataclass(frozen=True, slots=True)
class PublishedService:
    """Proof-of-work defence and single-hop mode of an onion service, as the Tor network shows them.

    Both values are None if only the service's clients can read its descriptor.
    """

    defends_by_work: bool | None
    is_single_hop: bool | None


def fetch_published(controller: Controller, host: str, *, seconds: float) -> PublishedService | None:
    """Fetch a service's descriptor from the Tor network, and return the properties in it.

    Return None if the network has not delivered the descriptor after `seconds`.

    Raises:
        OnionError: Tor refuses to fetch.
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
                raise OnionError("Tor refuses to fetch a descriptor: is it 0.4.8 or newer?")
            arrived.wait(_ASK_AGAIN_SECONDS)
    finally:
        controller.remove_event_listener(listen)
    return _read_descriptor(controller.get_info(f"hs/client/desc/id/{address}", ""), address)


def _read_descriptor(text: str, address: str) -> PublishedService:
    if text:
        with contextlib.suppress(ValueError):  # without a client's key, this cannot be read
            inner = HiddenServiceDescriptorV3.from_str(text).decrypt(address)
            return PublishedService(
                any(line.startswith("pow-params v1 ") for line in inner.get_unrecognized_lines()),
                bool(inner.is_single_service),
            )
    return PublishedService(None, None)
