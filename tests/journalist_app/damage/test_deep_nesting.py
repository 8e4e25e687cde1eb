"""Attack: signed or encrypted JSON that is nested so deep that a parser ends with RecursionError."""

from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import msgspec
import pytest

from crypto.errors import MalformedError
from journalist_app.desk.casefile import Casefile
from journalist_app.services import inbox_lists, search_mailboxes
from journalist_app.services.closing.close_mailbox import close_as_spam
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.records.reply_templates import templates_from_bytes
from journalist_app.services.whole_desk import background_check, unlocking
from protocol import keyring, ledger, sealed_record, trusted_state
from protocol.content import Content
from protocol.identifiers import EntryId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import PouchHead
from protocol.pouch.pouch_items import DamagedItem, Item, item_from_bytes
from stored_mailbox.entry_form import FormContext
from tests.deep_json import DEEP, LEVELS, deep_content
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.journalist_app.desk_readers import begin, wait_until_whole
from tests.journalist_app.opening import opens

_READERS: tuple[Callable[[bytes], object], ...] = (
    Content.from_bytes,
    Letterhead.from_bytes,
    PouchHead.from_bytes,
    Casefile.from_bytes,
    templates_from_bytes,
    keyring._KeyringJson.from_bytes,  # the shape in the encrypted file
    ledger._Line.from_bytes,
    sealed_record._Record.from_bytes,
    sealed_record._Unsent.from_bytes,
    trusted_state.TrustedState.from_bytes,
)


@pytest.mark.parametrize("raw", DEEP)
@pytest.mark.parametrize("read", _READERS)
def test_each_format_refuses_json_that_is_nested_very_deep(
    read: Callable[[bytes], object], raw: bytes
) -> None:
    with pytest.raises(MalformedError):
        read(raw)


@pytest.mark.parametrize("kind", get_args(Item))
def test_each_item_of_a_pouch_refuses_messagepack_that_is_nested_very_deep(kind: type) -> None:
    name = msgspec.msgpack.encode(kind.__struct_config__.tag)  # type: ignore[attr-defined]
    deep = b"\x91" * LEVELS
    for raw in (b"\x92" + name + deep, b"\xdc\x00\x40" + name + b"\xc0" * 4 + deep, deep):
        with pytest.raises(MalformedError):
            item_from_bytes(raw)


def test_an_item_with_a_field_too_many_is_refused_before_this_field_is_read() -> None:
    raw = bytearray(msgspec.msgpack.encode(DamagedItem(bytes(20), b"")))
    raw[0] += 1  # the length of the array
    with pytest.raises(MalformedError):
        item_from_bytes(bytes(raw) + b"\x91" * LEVELS + b"\xc0")


def test_a_message_that_is_nested_very_deep_damages_only_itself(world: World) -> None:
    """Its mailbox can be read and written in. The inbox, the search and the check work for all mailboxes."""
    old = TODAY - timedelta(days=900)
    hostile, other = a_source(world, day=old), a_source(world)
    hostile.says(deep_content(), day=old)
    other.writes("vraag over koffie")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    begin(desk)

    assert wait_until_whole(desk.index).is_whole
    background_check.check_store(desk, TODAY)
    inbox = inbox_lists.read_inbox(desk, InboxFilter(), TODAY)
    shown = opens(desk, hostile.keys.address)

    assert not desk.progress.is_broken
    assert {row.address: row.faults for row in inbox.rows} == {
        hostile.address: ("unreadable",),
        other.address: (),
    }
    assert [entry.fault for entry in shown.entries] == ["unreadable"]
    assert [hit.address for hit in search_mailboxes.search(desk, "koffie", 1).hits] == [other.address]
    form = FormContext(hostile.keys.address, EntryId(bytes(16)), shown.heads, shown.unseen)
    close_as_spam(desk, form, today=TODAY)
    assert opens(desk, hostile.keys.address).conversation.is_answered_once
    desk.stop()
