"""Verification of pouches (sync bundles): the signatures of all items are checked before any is applied.

The sender uses the same checks on the items of its own store.
"""

from crypto.errors import CryptoError
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import PouchReader
from sync.endpoint import Endpoint
from sync.items.contexts import VerifyContext
from sync.items.item_kinds import kind_of


def verify_pouch(
    endpoint: Endpoint, letterhead: Letterhead, pouch: PouchReader, verify_key: bytes
) -> VerifyContext:
    """Check every item of a pouch (sync bundle). If one item fails its check, refuse the whole pouch.

    Return the public keys with which the items were verified, and the mailboxes that the sender deleted
    wrongly.

    Raises:
        PouchRefusedError: the pouch or an item failed a check. `reason` says why.
    """
    context = VerifyContext(endpoint, letterhead, StrandId(pouch.head.sender))
    for item in pouch.items(verify_key):
        try:
            kind_of(item).verify(context, item)
        except PouchRefusedError:
            raise
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why
    return context
