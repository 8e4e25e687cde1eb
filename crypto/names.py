"""Names of the protocol's things, as types, so that an address cannot be passed as an entry id."""

from typing import NewType

Address = NewType("Address", bytes)
EntryId = NewType("EntryId", bytes)
AttachmentId = NewType("AttachmentId", bytes)
StrandId = NewType("StrandId", bytes)
Digest = NewType("Digest", bytes)
Root = NewType("Root", bytes)

ADDRESS_BYTES = 20
ENTRY_ID_BYTES = 16
ATTACHMENT_ID_BYTES = 16
STRAND_ID_BYTES = 8
DIGEST_BYTES = 32
ROOT_BYTES = 32

SOURCE_STRAND = StrandId(b"")  # a source has one strand, and it needs no name
NO_DIGEST = Digest(bytes(DIGEST_BYTES))  # stands before the first entry of a strand
