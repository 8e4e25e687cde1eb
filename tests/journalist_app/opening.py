"""Opening of a mailbox as an adviser's page does it: read and verify, and then append a read receipt."""

from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.mailbox import read_thread
from journalist_app.services.mailbox.desk_read_receipts import append_desk_read_receipt
from journalist_app.services.mailbox.read_thread import ShownThread
from protocol.heads import Heads
from protocol.identifiers import Address
from tests.journalist_app.desk_factories import TODAY


def opens(desk: OpenDesk, address: Address, *, today: date = TODAY) -> ShownThread:
    """Open the page with the thread of a mailbox."""
    shown = read_thread.open_thread(desk, address, today=today, is_whole=True)
    append_desk_read_receipt(desk, shown.conversation, shown.opened, today=today)
    return shown


def heads_on_page(desk: OpenDesk, address: Address, *, today: date = TODAY) -> tuple[Heads, Heads]:
    """Open a mailbox, and return the heads and unseen entries that the forms on its page have."""
    shown = opens(desk, address, today=today)
    return shown.heads, shown.unseen
