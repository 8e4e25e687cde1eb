"""Verification of pouches: every item is checked by its own signatures before anything is applied.

The sender uses the same checks on the items of its own store.
"""

from crypto.errors import CryptoError
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import Address
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import PouchReader
from sync.endpoint import Endpoint
from sync.items.contexts import VerifyContext
from sync.items.item_kinds import kind_of


def verify_pouch(
    endpoint: Endpoint, letterhead: Letterhead, pouch: PouchReader, verify_key: bytes
) -> set[Address]:
    """Read a whole pouch, and refuse all of it for one item that does not verify.

    Returns the mailboxes that the peer deleted by an order that was void.

    Raises:
        PouchRefusedError: the pouch or an item is not what it claims to be; `reason` says why.
    """
    context = VerifyContext(endpoint, letterhead, is_own=False)
    for item in pouch.items(verify_key):
        try:
            kind_of(item).verify(context, item)
        except PouchRefusedError:
            raise
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why
    return context.deleted_wrongly
