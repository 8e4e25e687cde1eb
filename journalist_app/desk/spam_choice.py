"""Adviser's choice of mailboxes that will be closed as spam in one step, in memory until locking."""

import threading
from dataclasses import dataclass, field

from protocol.identifiers import Address
from stored_mailbox.entry_form import FormContext


@dataclass(slots=True)
class SpamChoice:
    """List of mailboxes that an adviser looks through, page by page, and then closes as spam in one step.

    A mailbox on a page has a form context, which names the entries that the page showed. `pages` has the
    newest pages that were made, by their random names. `chosen` has the mailboxes on the pages that the
    adviser has looked at and submitted, without those in `spared`. After the adviser has confirmed,
    `is_final` is True, and the choice does not change. Then `closed` counts the mailboxes that were closed,
    and `kept` has those that could not be closed.
    """

    addresses: tuple[Address, ...] = ()
    pages: dict[str, tuple[FormContext, ...]] = field(default_factory=dict, repr=False)
    chosen: dict[Address, FormContext] = field(default_factory=dict, repr=False)
    spared: set[Address] = field(default_factory=set)
    is_final: bool = False
    is_busy: bool = False
    closed: int = 0
    kept: list[Address] = field(default_factory=list)
    changing: threading.Lock = field(default_factory=threading.Lock)
