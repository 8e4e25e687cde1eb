"""A closed mailbox is reopened by a message, closed again, kept until the promised day, and then deleted."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from bench import desk_servers
from deploy.settings.load_settings import load_config
from deploy.sweeping.server_cleanup import ServerSweeper
from journalist_app.config import AdviserConfig
from journalist_app.services.whole_desk import background_check, unlocking
from source_app.config import SourceConfig
from store import mailboxes
from store.database.engine import Store, open_store
from store.mailboxes import EndedMailbox
from store.sessions import open_sessions
from tests import source_labels as labels
from tests.browser.keyboard import fill, follow, press, send
from tests.browser.user_actions import (
    come_back,
    open_labelled,
    open_newest,
    sees,
    selector_of,
    start_mailbox,
    unlock,
    write,
)
from tests.store.factories import rows

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def _close(adviser: Page, closing_message: str) -> None:
    follow(adviser, adviser.locator('a[href$="/close"]'))
    fill(adviser, adviser.locator("#text"), closing_message)
    send(adviser, "/close")


def _due(store: Store) -> list[date]:
    with store.reading() as session:
        found = mailboxes.find_all(session, mailboxes.all_addresses(session))
        return [mailbox.due for mailbox in found if mailbox.due is not None]


def _ended(store: Store) -> Sequence[EndedMailbox]:
    with store.reading() as session:
        return mailboxes.ended_mailboxes(session)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def test_a_closed_mailbox_opens_by_writing_and_is_deleted_on_the_promised_day(
    visit: Visit, servers: desk_servers.DeskServers, source_url: str, adviser_url: str
) -> None:
    config = load_config(servers.desk.settings, "source", SourceConfig)
    store = open_store(config.store_path)
    sweeper = ServerSweeper(store, open_sessions(config.sessions_path), config)
    source, adviser = visit().new_page(), visit().new_page()
    passphrase = start_mailbox(source, source_url)
    write(source, "I only wanted to know whom to call.")
    unlock(adviser, adviser_url, servers.desk.passphrase)
    label = open_newest(adviser, adviser_url)

    _close(adviser, "Call the number that we gave you.")
    (first_due,) = _due(store)
    come_back(source, source_url, passphrase)
    sees(source, "notice", "closed")
    expect(source.get_by_text("Call the number that we gave you.").first).to_be_visible()

    # The source wrote again: the mailbox is open and has no deletion day.
    follow(source, labels.WRITE_AGAIN)
    fill(source, labels.MESSAGE, "One more question.")
    press(source, labels.SEND)
    sees(source, "notice", "reopened")
    sweeper.sweep_once(_noon(first_due))
    come_back(source, source_url, passphrase)
    expect(source.get_by_text("One more question.")).to_be_visible()
    expect(source.locator(selector_of("notice", "closed"))).to_have_count(0)
    assert [] == _due(store)

    # Closed again: kept until the deletion day, and deleted then.
    open_labelled(adviser, adviser_url, label)
    expect(adviser.get_by_text("One more question.")).to_be_visible()
    _close(adviser, "Answered by telephone.")
    (due,) = _due(store)
    source.goto(f"{source_url}/en/mailbox")
    sees(source, "notice", "closed")
    sees(source, "delete-on", due.isoformat())
    expect(source.locator("[data-delete-on]")).to_contain_text(f"{due:%A} {due.day} {due:%B} {due.year}")
    sweeper.sweep_once(_noon(due - timedelta(days=1)))
    come_back(source, source_url, passphrase)
    sees(source, "notice", "closed")

    sweeper.sweep_once(_noon(due))
    come_back(source, source_url, passphrase)
    sees(source, "refusal", "no_mailbox")
    with store.reading() as session:
        assert [] == list(mailboxes.all_addresses(session))
    assert 0 < rows(store, "ledger_tally")
    assert 1 == len(_ended(store))

    # On that day the desk recognises its own closing, reports no missing mailbox, and removes the ended
    # mailbox. The running adviser app has today's clock, so the test opens the desk itself.
    desk = unlocking.unlock_desk(
        load_config(servers.desk.settings, "adviser", AdviserConfig), store, servers.desk.passphrase
    )
    background_check.check_store(desk, due)
    desk.stop()
    assert [] == _ended(store)
    assert {} == desk.unsound
