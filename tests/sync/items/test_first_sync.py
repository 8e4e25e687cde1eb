"""A first sync: what the server asks for in it, and how much work each end does for an entry."""

from collections import Counter
from collections.abc import Callable

import pytest

from protocol import entry
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.envelope import Envelope
from protocol.pouch.pouch_file import PouchReader
from protocol.pouch.pouch_items import DamagedItem
from protocol.transcript import check
from sync.exchange import answer_pouches
from tests.journalist_app.desk_factories import ASource, a_source
from tests.sync.ends import Ends, Workstation
from tests.sync.test_faults import a_pouch

_LOSE_HEADER = "UPDATE sealed SET header = NULL WHERE id = (SELECT id FROM entry WHERE digest = :digest)"
Damage = Callable[[Ends, ASource, list[SignedEntry]], set[bytes]]


def asked_for(ends: Ends, workstation: Workstation) -> set[bytes]:
    """Return the digests of the entries that the server asks for in its next pouch to a workstation."""
    pouch = next(answer_pouches(ends.server, a_pouch(workstation)))
    items = PouchReader([pouch], workstation.keyring.identities).items(ends.key.card.verify_key)
    return {item.digest for item in items if isinstance(item, DamagedItem)}


def nothing(_ends: Ends, _source: ASource, _written: list[SignedEntry]) -> set[bytes]:
    return set()


def a_row_is_lost(ends: Ends, _source: ASource, written: list[SignedEntry]) -> set[bytes]:
    ends.world.execute("DELETE FROM entry WHERE digest = :digest", digest=written[0].digest)
    ends.world.execute("DELETE FROM outbox WHERE name = :digest", digest=written[0].digest)
    return {written[0].digest}


def a_header_is_lost(ends: Ends, _source: ASource, written: list[SignedEntry]) -> set[bytes]:
    ends.world.execute(_LOSE_HEADER, digest=written[1].digest)
    return {written[1].digest}


def a_header_is_lost_whose_row_of_the_outbox_was_deleted(
    ends: Ends, source: ASource, _written: list[SignedEntry]
) -> set[bytes]:
    last = source.writes("named by no other entry")
    ends.world.execute(_LOSE_HEADER, digest=last.digest)
    ends.world.execute("DELETE FROM outbox WHERE name = :digest", digest=last.digest)
    return {last.digest}


def a_file_is_lost(ends: Ends, source: ASource, _written: list[SignedEntry]) -> set[bytes]:
    last = source.writes("with a file", file=("a.pdf", b"a file"))
    ends.world.execute("DELETE FROM attachment")
    return {last.digest}


def a_file_belongs_to_another_entry(ends: Ends, source: ASource, written: list[SignedEntry]) -> set[bytes]:
    last = source.writes("with a file", file=("a.pdf", b"a file"))
    ends.world.execute("UPDATE attachment SET entry_id = :it", it=written[0].envelope.entry_id)
    return {written[0].digest, last.digest}


def a_signature_is_wrong(ends: Ends, _source: ASource, written: list[SignedEntry]) -> set[bytes]:
    sql = "UPDATE entry SET signature = zeroblob(64) WHERE digest = :digest"
    ends.world.execute(sql, digest=written[0].digest)
    return {written[0].digest}


def an_answer_was_not_shown(_ends: Ends, source: ASource, written: list[SignedEntry]) -> set[bytes]:
    source.says(Content(kind=Kind.MESSAGE, text="before I could read"), shown=())
    return {written[1].digest}


@pytest.mark.parametrize(
    "damage",
    [
        nothing,
        a_row_is_lost,
        a_header_is_lost,
        a_header_is_lost_whose_row_of_the_outbox_was_deleted,
        a_file_is_lost,
        a_file_belongs_to_another_entry,
        a_signature_is_wrong,
        an_answer_was_not_shown,
    ],
)
def test_a_first_pouch_asks_for_what_the_server_lost(ends: Ends, damage: Damage) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    source = a_source(ends.world)
    written = [source.writes("hello"), source.is_answered("an answer"), source.writes("thanks")]

    lost = damage(ends, source, written)

    assert asked_for(ends, workstation) == lost


def test_each_end_of_a_first_sync_verifies_and_parses_an_entry_once_before_it_checks_the_mailbox(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync costs as much as before mailboxes were checked as a whole, apart from this check."""
    source = a_source(ends.world)
    for _ in range(10):
        source.writes("hello")
        source.is_answered("an answer")
    source.looks()
    workstation = ends.workstation()
    done = Counter[str]()
    for module, name in ((entry, "check_signature"), (Envelope, "from_bytes"), (check, "check_signature")):
        real = getattr(module, name)

        def counting(*given: object, real: Callable[..., object] = real, name: str = name) -> object:
            done[name] += 1
            return real(*given)

        monkeypatch.setattr(module, name, counting)

    assert ends.sync(workstation).received == 22  # the mailbox and its entries

    assert done == {"check_signature": 2 * 21, "from_bytes": 2 * 21}
