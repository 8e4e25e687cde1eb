"""Attack: one mailbox has something that no one expected. Everything works for all other mailboxes."""

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec import UNSET
from nacl.signing import SigningKey

from crypto import signed_lines
from crypto.framing import frame
from journalist_app.desk import verification
from journalist_app.desk.casefile import Casefile
from journalist_app.search import search_worker
from journalist_app.services import inbox_lists, inbox_rows, search_mailboxes
from journalist_app.services.closing import deletion_upkeep, ended_mailboxes
from journalist_app.services.inbox_lists import Inbox, InboxFilter
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.records import casefiles, consent_evidence
from journalist_app.services.whole_desk import background_check, unlocking, whole_check, yearly_report
from protocol import sealed_record
from protocol.content import Content, Kind
from protocol.entry import seal_words
from protocol.identifiers import Address, EntryId
from protocol.ledger import Dimension
from protocol.sealed_record import RecordKind
from store import mailbox_tallies, mailboxes, records
from stored_mailbox import whole_store
from tests.crypto.age.low_order import LOW_ORDER_POINTS
from tests.deep_json import deep_content
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source, append
from tests.journalist_app.desk_readers import begin, wait_until_whole
from tests.journalist_app.services.closing.test_closing import counted, tallies_of

OLD = TODAY - timedelta(days=900)
LATER = TODAY + timedelta(days=1)


class _OwnKey:
    strand = b""

    def __init__(self) -> None:
        self.key = SigningKey.generate()

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message).signature


def has_no_recipient(world: World, recipient: bytes) -> Address:
    """Make a mailbox whose address is the digest of a recipient to which no one can encrypt."""
    own, other = _OwnKey(), a_source(world)
    verify_key = bytes(own.key.verify_key)
    digest = hashlib.blake2b(frame(b"steunpunt/v1/address", recipient, verify_key), digest_size=20).digest()
    address = Address(digest)
    keys = {"address": address, "recipient": recipient, "verify_key": verify_key}
    with world.store.writing() as session:
        mailboxes.create_mailbox(session, **keys, opened_day=OLD)
    words = seal_words(
        Content(kind=Kind.MESSAGE, text="vraag"),
        address=address,
        mailbox_recipient=other.keys.identity.recipient,
        letterhead=world.letterhead,
        by=own,
        entry_id=EntryId(os.urandom(16)),
        heads=(),
        unseen=(),
        day=OLD,
    )
    append(world.store, words)
    return address


def has_a_garbled_recipient(world: World) -> Address:
    return has_no_recipient(world, b"\xff" * 1184 + bytes(32))


def has_a_recipient_of_low_order(world: World) -> Address:
    return has_no_recipient(world, a_source(world).keys.recipient[:1184] + LOW_ORDER_POINTS[0])


def has_deep_content(world: World) -> Address:
    source = an_old_one(world)
    source.says(deep_content(), day=OLD)
    return source.keys.address


def has_a_file_that_does_not_open(world: World) -> Address:
    source = an_old_one(world)
    source.writes("-----BEGIN ", file=("a.pdf", b"x" * 9), day=OLD)
    world.execute(
        "UPDATE sealed SET header = zeroblob(length(header))"
        " WHERE id = (SELECT id FROM attachment WHERE address = :address)",
        address=source.keys.address,
    )
    return source.keys.address


def store_casefile(world: World, address: Address, revision: int, **fields: object) -> None:
    """Store any signed revision of a casefile, as if it had been received in a sync."""
    strand, body = world.keyring.strand, Casefile(**fields).to_bytes()
    record = sealed_record._Record(
        kind=RecordKind.CASEFILE, name=address, revision=revision, strand=strand.id, body=body, past=UNSET
    )
    lines = signed_lines.write_signed_lines(sealed_record._VERSION, record.to_bytes(), strand.seed)
    sealed = sealed_record._encrypt(lines, world.letterhead)
    with world.store.writing() as session:
        records.replace(session, records.Record(RecordKind.CASEFILE, address, revision, sealed))


def has_the_highest_revision(world: World) -> Address:
    """Store a casefile of an ended mailbox after which no other revision can be signed."""
    source = an_old_one(world)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    source.ends()
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)
    store_casefile(world, source.keys.address, 2**63 - 1, handover="x")
    return source.keys.address


def has_a_theme_that_fits_no_tally(world: World) -> Address:
    source = an_old_one(world)
    source.is_closed(due=LATER)
    store_casefile(world, source.keys.address, 1, theme="\U0001f600" * 200, keep_until=LATER)
    return source.keys.address


def an_old_one(world: World) -> ASource:
    """Return a source whom the desk answered long ago, so that the mailbox counts as abandoned."""
    source = a_source(world, day=OLD)
    source.writes("vraag over koffie", day=OLD)
    source.is_answered("antwoord", day=OLD)
    return source


class Driven:
    """A desk after all its work, with what it shows."""

    def __init__(self, world: World) -> None:
        self.desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
        begin(self.desk)
        self.reading = wait_until_whole(self.desk.index)
        for day in (TODAY, LATER):
            background_check.check_store(self.desk, day)
            whole_check.check_whole_store(self.desk, day)
            file_downloads.compare_new_contents(self.desk)
        self.inbox = {state: self.list_of(state) for state in ("waiting", "answered", "closed")}
        self.hits = search_mailboxes.search(self.desk, "koffie", 1).hits
        self.report = yearly_report.read_report_year(self.desk, OLD.year, LATER)
        consent_evidence.read_evidence(self.desk)
        self.desk.stop()

    def list_of(self, state: str) -> Inbox:
        return inbox_lists.read_inbox(self.desk, InboxFilter(state), LATER)

    def faults_of(self, address: Address) -> set[str]:
        found = [row.faults for row in self.inbox["waiting"].unsound if row.address == address.hex()]
        return {fault for faults in found for fault in faults}


def everything_works(world: World, driven: Driven, sound: list[ASource]) -> None:
    """Require that each sound mailbox was verified, closed, counted, found and listed."""
    desk = driven.desk
    assert driven.reading.is_whole
    assert (desk.progress.is_broken, desk.progress.is_running, desk.last_check) == (False, False, LATER)
    assert desk.whole_check.day == LATER
    assert desk.abandoned_checked == LATER
    for source in sound:
        address = source.keys.address
        assert driven.faults_of(address) == set()
        assert desk.trusted_state.seen(address).closed is not None
        assert len(tallies_of(world, source)) == 8
        assert source.address in {row.address for row in driven.inbox["closed"].rows}
        assert source.address in {hit.address for hit in driven.hits}
    assert driven.report.counts.read >= len(sound)


_DAMAGES: dict[Callable[[World], Address], set[str]] = {
    has_a_garbled_recipient: {"wrong_keys"},
    has_a_recipient_of_low_order: {"wrong_keys"},
    has_deep_content: {"unreadable"},
    has_a_file_that_does_not_open: {"damaged_file"},
    has_the_highest_revision: {"unfinished"},
    has_a_theme_that_fits_no_tally: set(),
}


@pytest.mark.parametrize("plant", _DAMAGES)
def test_one_damaged_mailbox_stops_nothing_else(world: World, plant: Callable[[World], Address]) -> None:
    sound = [an_old_one(world) for _ in range(2)]
    damaged = plant(world)
    sound += [an_old_one(world) for _ in range(2)]

    driven = Driven(world)

    everything_works(world, driven, sound)
    assert _DAMAGES[plant] == driven.faults_of(damaged)


def test_a_theme_that_fits_no_tally_counts_as_not_recorded(world: World) -> None:
    address = has_a_theme_that_fits_no_tally(world)
    desk = Driven(world).desk
    with world.store.reading() as session:
        sealed = mailbox_tallies.find(session, address)
    assert counted(world, sealed)[Dimension.THEME] == ""
    assert desk.casefiles[address][1].theme  # the note itself stays


def test_all_damaged_mailboxes_at_once_stop_nothing_else(world: World) -> None:
    for plant in _DAMAGES:
        plant(world)
    sound = [an_old_one(world) for _ in range(3)]
    everything_works(world, Driven(world), sound)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (verification, "read_stored"),
        (inbox_rows, "summarise_mailbox"),
        (casefiles, "_read"),
        (search_worker, "check_stored"),
        (whole_store, "read_stored"),
        (deletion_upkeep, "_maintain_tallies"),
        (deletion_upkeep, "_close_if_abandoned"),
        (background_check, "_check_mailbox"),
    ],
)
def test_a_fault_of_our_own_code_in_one_mailbox_stops_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Plant a fault that no one foresaw: a step of the work divides by zero in one mailbox."""
    sound = [an_old_one(world) for _ in range(2)]
    hit = an_old_one(world)
    sound += [an_old_one(world) for _ in range(2)]
    real = getattr(module, name)

    def faulty(*args: object, **options: object) -> object:
        named = [getattr(getattr(arg, "mailbox", arg), "address", arg) for arg in args]
        if hit.keys.address in named:
            raise ZeroDivisionError
        return real(*args, **options)

    monkeypatch.setattr(module, name, faulty)
    driven = Driven(world)

    everything_works(world, driven, sound)
