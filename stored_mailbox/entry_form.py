"""Form context: the hidden fields of every form by which a source or an adviser adds entries to a mailbox."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Self

from crypto.framing import frame, unframe
from protocol.heads import Heads, heads_from_bytes, heads_to_bytes
from protocol.identifiers import ENTRY_ID_BYTES, Address, EntryId
from protocol.session import form_token


@dataclass(frozen=True, slots=True)
class FormContext:
    """Hidden data of a form: the mailbox, the id of the new entry, and the entries that the page showed.

    `heads` has the newest entries that the sender was shown, and `unseen` the known entries that the sender
    was not shown. The form's CSRF token protects this data from changes.
    """

    address: Address
    entry_id: EntryId
    heads: Heads
    unseen: Heads

    @classmethod
    def new(cls, address: Address, heads: Heads, unseen: Heads) -> Self:
        """Return the context of a new form, which names the shown entries (`heads`) and the unseen ones."""
        return cls(address, EntryId(secrets.token_bytes(ENTRY_ID_BYTES)), heads, unseen)

    @classmethod
    def of_form(
        cls, fields: Mapping[str, str], session_token: bytes, action: str, address: Address
    ) -> Self | None:
        """Parse the hidden fields of a form. Return None if this session did not show the form.

        The form must be for this action in this mailbox.
        """
        entry_id, shown = fields.get("entry_id", ""), fields.get("heads", "")
        purpose = _purpose(action, address, entry_id, shown)
        given = fields.get("token", "").encode(errors="replace")
        if not compare_digest(form_token(session_token, purpose).encode(), given):
            return None
        # From here, both fields are authentic: `hidden_fields` wrote them.
        heads, unseen = map(heads_from_bytes, unframe(bytes.fromhex(shown)))
        return cls(address, EntryId(bytes.fromhex(entry_id)), heads, unseen)

    def hidden_fields(self, session_token: bytes, action: str) -> dict[str, str]:
        """Return the hidden fields of a form: a CSRF token, the entry id, and the heads and unseen entries.

        The token is valid only for this session, this action, this mailbox and these values.
        """
        entry_id = self.entry_id.hex()
        heads = frame(heads_to_bytes(self.heads), heads_to_bytes(self.unseen)).hex()
        token = form_token(session_token, _purpose(action, self.address, entry_id, heads))
        return {"token": token, "entry_id": entry_id, "heads": heads}


def _purpose(action: str, address: Address, entry_id: str, heads: str) -> str:
    return f"{action} {address.hex()} {entry_id} {heads}"
