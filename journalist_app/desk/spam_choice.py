"""Adviser's choice of mailboxes that will be closed as spam in one step, in memory until locking."""

import threading
from dataclasses import dataclass, field

from protocol.identifiers import Address
from stored_mailbox.entry_form import FormContext


@dataclass(slots=True)
class SpamChoice:
    """Mailboxes that an adviser looks through, page by page, and then closes as spam in one step.

    `is_final` is True after the adviser confirmed the choice. From then on, the choice does not change.
    """

    addresses: tuple[Address, ...] = ()
    # the newest, by random name: the shown mailboxes and entries
    pages: dict[str, tuple[FormContext, ...]] = field(default_factory=dict, repr=False)
    chosen: dict[Address, FormContext] = field(default_factory=dict, repr=False)
    spared: set[Address] = field(default_factory=set)  # the adviser left these open
    is_final: bool = False
    is_busy: bool = False
    closed: int = 0  # number of mailboxes
    kept: list[Address] = field(default_factory=list)  # chosen, but could not be closed
    changing: threading.Lock = field(default_factory=threading.Lock)
