from collections.abc import Iterator
from pathlib import Path

import pytest

from store import mailboxes
from store.database.engine import Store
from tests.protocol.mailbox_factories import DAY, Talk
from tests.stores import an_empty_store


@pytest.fixture
def talk() -> Talk:
    """Return a conversation whose entries are not in the store yet."""
    return Talk()


@pytest.fixture
def store(tmp_path: Path, talk: Talk) -> Iterator[Store]:
    """Return a store with the empty mailbox of the conversation."""
    store = an_empty_store(tmp_path / "var" / "store.db")
    keys = talk.keys
    with store.writing() as session:
        mailboxes.create_mailbox(
            session,
            address=keys.address,
            recipient=keys.recipient,
            verify_key=keys.verify_key,
            opened_day=DAY,
        )
    yield store
    store.close()
