"""Verification of pouches (sync bundles): the signatures of all items are checked before any is applied.

The sender uses the same checks on the items of its own store.
"""

from collections.abc import Iterable

from crypto.errors import CryptoError
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_items import Item
from sync.items.contexts import VerifyContext
from sync.items.item_kinds import kind_of


def verify_items(context: VerifyContext, items: Iterable[Item]) -> None:
    """Check every item of a pouch (sync bundle). If one item fails its check, refuse the whole pouch.

    Add to `context` the public keys with which the items were verified, and the mailboxes that the sender
    deleted wrongly.

    Raises:
        PouchRefusedError: the pouch or an item failed a check. `reason` says why.
    """
    for item in items:
        try:
            kind_of(item).verify(context, item)
        except PouchRefusedError:
            raise
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why
