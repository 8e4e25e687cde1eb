"""The background checks of an unlocked desk, run at once in the thread of the test."""

from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.whole_desk import background_check, whole_check
from tests.journalist_app.desk_factories import TODAY


def check_everything(desk: OpenDesk, today: date = TODAY) -> None:
    """Run every check that the background threads run from time to time."""
    background_check.check_store(desk, today)
    file_downloads.compare_new_contents(desk)
    whole_check.check_whole_store(desk, today)
