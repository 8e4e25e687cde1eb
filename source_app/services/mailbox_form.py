"""Form context: the hidden fields of every form by which a source adds an entry to a mailbox."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from protocol.heads import Heads, heads_from_bytes, heads_to_bytes
from protocol.identifiers import ENTRY_ID_BYTES, Address, EntryId


@dataclass(frozen=True, slots=True)
class FormContext:
    """Hidden fields of a form that adds an entry: the entry's id, and the entries that the source was shown.

    All fields are hexadecimal. `heads` has the newest entries that the source was shown, and `unseen` the
    known entries that the source was not shown. Both go into the signed envelope of the new entry. The form's
    CSRF token covers all three fields, so no one can choose what the source signs as seen.
    """

    entry_id: str
    heads: str
    unseen: str

    @classmethod
    def new(cls, heads: Heads, unseen: Heads) -> Self:
        """Return the hidden fields of a new form, which is shown with or after the entries in `heads`."""
        entry_id = secrets.token_bytes(ENTRY_ID_BYTES).hex()
        return cls(entry_id, heads_to_bytes(heads).hex(), heads_to_bytes(unseen).hex())

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Self:
        """Return the hidden fields of a form that was sent.

        Check the form's token before using the values.
        """
        return cls(fields.get("entry_id", ""), fields.get("heads", ""), fields.get("unseen", ""))

    def purpose(self, action: str, address: Address) -> str:
        """Return the purpose of the form's CSRF token: this action, this mailbox and these hidden fields.

        So the token does not fit another action, another mailbox or other values.
        """
        return f"{action} {address.hex()} {self.entry_id} {self.heads} {self.unseen}"

    def parse(self) -> tuple[EntryId, Heads, Heads]:
        """Parse the hidden fields of a form whose token was checked: entry id, heads and unseen entries."""
        return (
            EntryId(bytes.fromhex(self.entry_id)),
            heads_from_bytes(bytes.fromhex(self.heads)),
            heads_from_bytes(bytes.fromhex(self.unseen)),
        )


def form_text(fields: Mapping[str, str]) -> str:
    r"""Return the text field of a form. Lines end in "\n" instead of the "\r\n" that browsers send."""
    return fields.get("text", "").replace("\r\n", "\n")
