"""Sync of a workstation and its server over Tor, through the onion service that needs a key."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from bench.tor_network import Tor, TorNetwork
from deploy.onion.clients import make_client_key
from deploy.onion.control import add_onion, connect_to_tor
from deploy.onion.onion_keys import OnionKey
from protocol.pouch.pouch_file import SERVER
from store import ledger_tallies, mailboxes
from sync.carriers import OnionCarrier
from sync.errors import SyncRefusal, SyncRefusedError
from sync.exchange import Carrier, exchange
from sync.http_endpoint import create_sync_app
from tests.deploy.two_machines import Machine, texts_held
from tests.journalist_app.desk_factories import ASource, a_source
from tests.sync.desks import the_server_cleans_up
from tests.sync.ends import Ends, Workstation, all_of, at, the_ends
from tests.tor.onion_sites import OnionSite, change_settings, start_workstation_tor, wait_for_answer

pytestmark = pytest.mark.slow

DAYS = 30


@pytest.fixture(scope="module")
def workstation_tor(site: OnionSite, network: TorNetwork) -> Iterator[Tor]:
    """Start the workstation's tor, with the folder into which `steunpunt workstation pair` wrote its key."""
    folder = site.desk.first.settings.parent / "onion-auth"
    tor = network.add("paired", [f"ClientOnionAuthDir {folder}"], socks=True)
    tor.start()
    tor.wait_until_bootstrapped()
    yield tor
    tor.stop()


@pytest.fixture
def first(site: OnionSite, workstation_tor: Tor) -> Machine:
    """Return the paired workstation, whose onion service for sync answers."""
    through(site.desk.first, workstation_tor)
    wait_for_answer(workstation_tor, site.sync_host)
    return site.desk.first


def through(machine: Machine, tor: Tor) -> None:
    assert tor.socks is not None
    change_settings(machine.settings, socks="{}:{}".format(*tor.socks))


def test_a_sync_brings_a_message_and_sends_the_answer_back(site: OnionSite, first: Machine) -> None:
    source = site.desk.a_source_writes("I write from far away.", file=("photo.jpg", b"picture" * 300_000))

    said = first.does("workstation", "sync")
    came = texts_held(first)
    site.desk.is_answered(source, first)
    first.does("workstation", "sync")

    assert "new items" in said
    assert came
    assert came < texts_held(first)
    assert texts_held(site.desk.server) == texts_held(first)


def test_without_the_key_a_sync_is_refused_in_a_sentence_and_nothing_is_lost(
    site: OnionSite, first: Machine, workstation_tor: Tor, client: Tor
) -> None:
    source = site.desk.a_source_writes()
    first.does("workstation", "sync")
    site.desk.is_answered(source, first)
    site.desk.a_source_writes("and another")
    before = texts_held(first), texts_held(site.desk.server)

    through(first, client)
    told = first.is_told("workstation", "sync")
    after = texts_held(first), texts_held(site.desk.server)
    through(first, workstation_tor)
    first.does("workstation", "sync")

    assert told == (
        "The server could not be reached, or the connection was lost. Nothing is lost: what did not arrive "
        "is sent next time. Check the network (and Tor), and try again."
    )
    assert after == before
    assert texts_held(first) == texts_held(site.desk.server) == before[0] | before[1]


def test_the_next_sync_works_after_tor_was_killed_and_restarted(
    site: OnionSite, first: Machine, workstation_tor: Tor
) -> None:
    first.does("workstation", "sync")
    site.desk.a_source_writes("before the power went")

    for tor in (site.tor, workstation_tor):
        tor.kill()
    told = first.is_told("workstation", "sync")
    for tor in (site.tor, workstation_tor):
        tor.start()
        tor.wait_until_bootstrapped()
    wait_for_answer(workstation_tor, site.sync_host)
    first.does("workstation", "sync")

    assert "could not be reached" in told
    assert texts_held(first) == texts_held(site.desk.server)


# ---- a month ---------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # werkzeug's name
        """Log nothing."""


@contextlib.contextmanager
def serving_endpoint(ends: Ends, path: Path) -> Iterator[None]:
    """Serve the sync endpoint of a server whose clock the test moves, on a Unix socket."""
    server: BaseWSGIServer = make_server(
        f"unix://{path}", 0, create_sync_app(ends.server), request_handler=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(slots=True)
class LossyCarrier:
    """Connection through Tor that loses every seventh answer."""

    carrier: Carrier
    times: int = 0

    @contextlib.contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        with self.carrier.carry(pouch) as pouches:
            yield map(self._lost_at_times, pouches)

    def _lost_at_times(self, brought: bytes) -> bytes:
        self.times += 1
        if self.times % 7 == 0:
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        return brought


@dataclass(slots=True)
class TorMonth:
    """Sources who write, delete and end, and an adviser who answers and counts, day by day."""

    ends: Ends
    workstation: Workstation
    line: LossyCarrier
    sources: list[ASource] = field(default_factory=list)
    failed: int = 0

    def live(self, number: int) -> None:
        """Simulate one day, and sync at its end."""
        day = self.ends.clock.day
        if number % 3 == 0:
            self.sources.append(a_source(self.ends.world, day=day))
        for place, source in enumerate(self.sources):
            if (number + place) % 4 == 0:
                file = ("photo.jpg", bytes([number]) * 200_000) if number % 5 == 0 else None
                written = source.writes(f"on day {number}", day=day, file=file)
                if number % 8 == place:
                    source.removes(written)
            elif (number + place) % 4 == 2 and self._is_here(source):
                at(self.ends, self.workstation, source).is_answered(f"answered on day {number}", day=day)
        if number % 10 == 9:
            self.sources.pop(0).ends()
        if number % 10 == 1:
            self.count()
        self.sync()

    def sync(self) -> None:
        """Sync with the server. If the connection is lost, do not try again on this day."""
        try:
            exchange(self.workstation.endpoint, self.line, lambda _left: None)
        except SyncRefusedError as why:
            if why.reason is not SyncRefusal.UNREACHABLE:
                raise
            self.failed += 1

    def _is_here(self, source: ASource) -> bool:
        with self.workstation.replica.reading() as session:
            return mailboxes.find(session, source.keys.address) is not None

    def count(self) -> None:
        with self.workstation.replica.writing() as session:
            for line in mailboxes.ended_mailboxes(session):
                ledger_tallies.add(session, [os.urandom(40) for _ in range(8)])
                mailboxes.drop_ended(session, line.address, [SERVER])


def test_after_a_month_of_syncs_server_and_replica_hold_the_same(
    site: OnionSite, network: TorNetwork, short_folder: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        ends = _two_ends(tmp_path)
        for store in ends.opened:
            stack.callback(store.close)
        workstation = ends.workstation()
        stack.callback(workstation.replica.close)
        endpoint_socket, onion, key = short_folder / "month.sock", OnionKey.draw(), make_client_key()
        stack.enter_context(serving_endpoint(ends, endpoint_socket))
        with connect_to_tor(f"unix:{site.tor.control_socket}") as controller:
            add_onion(controller, onion, str(endpoint_socket), clients=[key.public])
        tor = start_workstation_tor(network, "month", key.private_line(onion.host))
        stack.callback(tor.stop)
        assert tor.socks is not None
        wait_for_answer(tor, onion.host)
        month = TorMonth(
            ends, workstation, LossyCarrier(OnionCarrier(onion.host, "{}:{}".format(*tor.socks)))
        )

        for number in range(DAYS):
            month.live(number)
            ends.clock.day += timedelta(days=1)
        month.line.times = 0
        month.sync()
        month.count()
        month.sync()
        the_server_cleans_up(ends)

        assert month.failed > 1
        server, replica = all_of(ends.world.store), all_of(workstation.replica)
        assert server == replica
        assert len(server["entry"]) > 10  # entries of mailboxes that no one ended
        assert server["tally"]
        assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def _two_ends(folder: Path) -> Ends:
    (folder / "server").mkdir()
    return the_ends(folder)
