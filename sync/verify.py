"""Verification of pouches (sync bundles): the signatures of all items are checked before any is applied.

The sender uses the same checks on the items of its own store.
"""

from collections.abc import Iterable

from crypto.errors import CryptoError
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_items import Item
from sync.endpoint import Endpoint
from sync.items.contexts import VerifyContext
from sync.items.item_kinds import kind_of


def verify_items(
    endpoint: Endpoint, letterhead: Letterhead, sender: StrandId, items: Iterable[Item]
) -> VerifyContext:
    """Check every item of a pouch (sync bundle). If one item fails its check, refuse the whole pouch.

    Return the public keys with which the items were verified, and the mailboxes that the sender deleted
    wrongly.

    Raises:
        PouchRefusedError: the pouch or an item failed a check. `reason` says why.
    """
    context = VerifyContext(endpoint, letterhead, sender)
    for item in items:
        try:
            kind_of(item).verify(context, item)
        except PouchRefusedError:
            raise
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why
    return context
