"""Adviser's choice of mailboxes that will be closed as spam in one step, in memory until locking."""

import threading
from dataclasses import dataclass, field

from protocol.identifiers import Address
from stored_mailbox.entry_form import FormContext


@dataclass(slots=True)
class SpamChoice:
    """List of mailboxes that an adviser looks through, page by page, and then closes as spam in one step.

    `pages` has the newest pages, each under a random name. A page names its mailboxes, and the entries that
    it showed of each mailbox. `chosen` has the mailboxes that the adviser chose to close. `spared` has those
    that the adviser ticked to leave them open. `is_final` is True after the adviser confirmed the choice.
    From then on, the choice does not change. `closed` counts the mailboxes that were closed. `kept` has the
    chosen mailboxes that could not be closed.
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
