"""Items of a pouch (sync bundle): one class for each kind of item that a sync exchanges.

See docs/protocol.md, "Pouch". This module checks only the form of the items. `sync` verifies each item before
applying the item.
"""

from datetime import date
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from crypto.age.header import HEADER_BYTES_MAX
from crypto.age.recipients import PQ_RECIPIENT_BYTES
from crypto.errors import MalformedError
from protocol.content import ATTACHMENTS
from protocol.identifiers import ADDRESS_BYTES, ATTACHMENT_ID_BYTES, DIGEST_BYTES, ENTRY_ID_BYTES
from protocol.strand import SIGNATURE_BYTES

ITEM_BYTES: Final = 16 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
PAST: Final = 33  # the `past` of a record, and one revision that does not verify
_NAME_BYTES: Final = 64  # of a record's name or kind; the server does not know the kinds
HELD: Final = 1024  # entries in one `HeldItem`
TALLIES: Final = 64  # a mailbox leaves 8; without a limit, reading 16 MiB of them would take 200 MiB

_Address = Annotated[bytes, Meta(min_length=ADDRESS_BYTES, max_length=ADDRESS_BYTES)]
_EntryId = Annotated[bytes, Meta(min_length=ENTRY_ID_BYTES, max_length=ENTRY_ID_BYTES)]
_EntryName = Annotated[bytes, Meta(min_length=52, max_length=52)]  # its address, then its digest
_AttachmentId = Annotated[bytes, Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)]
_Recipient = Annotated[bytes, Meta(min_length=PQ_RECIPIENT_BYTES, max_length=PQ_RECIPIENT_BYTES)]
_VerifyKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Header = Annotated[bytes, Meta(max_length=HEADER_BYTES_MAX)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[bytes, Meta(max_length=_NAME_BYTES)]
_Signature = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
_Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_Sealed = Annotated[bytes, Meta(max_length=CHUNK_BYTES)]  # fits one row of the store
Partial = tuple[_Address, _AttachmentId, _Count]  # an attachment and its chunks, in the head of a pouch


class _Item(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base class of all items of a pouch (sync bundle).

    `repr` shows no field, because the fields are encrypted or signed, and long.
    """

    def __repr__(self) -> str:
        return type(self).__name__


class LetterheadItem(_Item, frozen=True, tag="letterhead"):
    """Item of a sync: a letterhead (the desk's public statement) with its signature.

    `base` is the serial of the letterhead from which this letterhead was made.
    """

    base: _Count
    serial: _Count
    body: bytes
    signature: bytes


class MailboxItem(_Item, frozen=True, tag="mailbox"):
    """Item of a sync: a mailbox's public keys. This item comes before the mailbox's entries."""

    address: _Address
    recipient: _Recipient
    verify_key: _VerifyKey
    opened_day: date


class FileItem(_Item, frozen=True, tag="file"):
    """Item of a sync: the start of an attached file. The items with the chunks of the file follow."""

    address: _Address
    entry_id: _EntryId
    attachment_id: _AttachmentId
    header: _Header


class ChunkItem(_Item, frozen=True, tag="chunk"):
    """Item of a sync: the next chunk of an attached file, encrypted exactly as in the sender's store."""

    address: _Address
    attachment_id: _AttachmentId
    number: _Count
    is_last: bool
    ciphertext: _Sealed


class EntryItem(_Item, frozen=True, dict=True, tag="entry"):
    """Item of a sync: one entry of a mailbox, such as a message.

    The header and the payload are empty if the entry has no encrypted part, or if this part was destroyed.
    """

    envelope: bytes
    signature: _Signature
    epoch: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    header: _Header
    payload: _Sealed
    attachment_ids: Annotated[tuple[_AttachmentId, ...], Meta(max_length=ATTACHMENTS)]


class EndedItem(_Item, frozen=True, tag="ended"):
    """Item of a sync: the proof that a mailbox was ended or deleted, with the public keys of the mailbox."""

    address: _Address
    recipient: _Recipient
    verify_key: _VerifyKey
    proof: bytes
    day: date


class TalliesItem(_Item, frozen=True, tag="tallies"):
    """Item of a sync: the current tallies (anonymous facts) about a mailbox, which replace earlier ones.

    An empty set withdraws the tallies.
    """

    address: _Address
    tallies: Annotated[tuple[_Sealed, ...], Meta(max_length=TALLIES)]


class RecordItem(_Item, frozen=True, tag="record"):
    """Item of a sync: the newest revision of a record (an encrypted note of the desk).

    `past` has the digests of the revisions that this revision replaces. `is_dropped` is True if the desk
    deleted the record.
    """

    kind: Annotated[str, Meta(pattern=r"^[ -9;-~]{1,40}\Z")]  # printable ASCII without a colon
    name: _Name
    revision: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    past: Annotated[tuple[_Digest, ...], Meta(max_length=PAST)]
    is_dropped: bool
    sealed: _Sealed


class TallyItem(_Item, frozen=True, tag="tally"):
    """Item of a sync: one encrypted tally (anonymous fact about a deleted mailbox)."""

    sealed: _Sealed


class PublicFileItem(_Item, frozen=True, tag="public_file"):
    """Item of a sync: a public file, such as a yearly report."""

    name: Annotated[str, Meta(pattern=r"^[ -~]{1,200}\Z")]
    body: bytes


class DamagedItem(_Item, frozen=True, tag="damaged"):
    """Item of a sync: a notice that an entry is missing or damaged in the sender's store.

    The receiver answers with the entry, if possible. If `digest` is empty, the mailbox itself is damaged.
    """

    address: _Address
    digest: Annotated[bytes, Meta(max_length=DIGEST_BYTES)]


class HeldItem(_Item, frozen=True, tag="held"):
    """Item of a sync: list of the entries that a workstation has, in one range of names.

    A name is the address of a mailbox and the digest of an entry.

    - `letterhead`: serial of the workstation's letterhead (the desk's public statement)
    - `first`, `end`: the range begins at `first` and ends before `end`
    - `whole`: names of the entries with an encrypted part
    - `bare`: names of the entries without an encrypted part
    - `records`: SHA-256 of the list of records (notes of the desk) that a `RecordsItem` would have
    """

    letterhead: _Count
    first: _EntryName
    end: _EntryName
    whole: Annotated[tuple[_EntryName, ...], Meta(max_length=HELD)]
    bare: Annotated[tuple[_EntryName, ...], Meta(max_length=HELD)]
    records: _Digest


class RecordsItem(_Item, frozen=True, tag="records"):
    """Item of a sync: list of the records (notes of the desk) that the server has, each with its revision."""

    records: Annotated[tuple[tuple[bytes, _Count], ...], Meta(max_length=65_536)]


_ItemOfMailbox = MailboxItem | FileItem | ChunkItem | EntryItem | EndedItem | TalliesItem | DamagedItem
Item = LetterheadItem | _ItemOfMailbox | RecordItem | TallyItem | PublicFileItem | HeldItem | RecordsItem
_DECODER: Final[msgspec.msgpack.Decoder[Item]] = msgspec.msgpack.Decoder(Item)


def item_to_bytes(item: Item) -> bytes:
    """Write an item of a pouch (sync bundle) as MessagePack.

    Raises:
        MalformedError: a field is over its limit, so that `item_from_bytes` would refuse the item.
    """
    try:
        raw = msgspec.msgpack.encode(item)
    except (OverflowError, UnicodeEncodeError) as why:  # a number over 64 bits, or half a surrogate pair
        raise MalformedError from why
    _decoded(raw)
    return raw


def item_from_bytes(raw: bytes) -> Item:
    """Parse an item of a pouch (sync bundle). Only the exact bytes that `item_to_bytes` writes are accepted.

    The bytes are MessagePack.

    Raises:
        MalformedError: `item_to_bytes` never writes these bytes.
    """
    item = _decoded(raw)
    if msgspec.msgpack.encode(item) != raw:
        raise MalformedError
    return item


def _decoded(raw: bytes) -> Item:
    if not 0 < len(raw) <= ITEM_BYTES:
        raise MalformedError
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise MalformedError from why
