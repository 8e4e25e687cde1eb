"""A server's end of a sync: its store and its key, for the HTTP endpoint, commands and the clean-up."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from deploy.errors import LetterheadError
from deploy.pairing.server_key import read_server_key
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config
from deploy.settings.sync_settings import SyncConfig
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER, ServerKey
from store.database.engine import Store, open_store
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from web.dates import half_hour_of


def server_endpoint_for(config: SyncConfig, store: Store, key: ServerKey) -> Endpoint:
    """Return the server's end of a sync, with this store and key.

    Each sync verifies the newest letterhead (signed public statement), which lists the desk's workstations.
    So the server refuses retired workstations.
    """

    def newest() -> Letterhead:
        try:
            return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
        except LetterheadError as why:
            raise SyncRefusedError(SyncRefusal.LETTERHEAD) from why

    return Endpoint(
        store=store,
        name=SERVER,
        seed=key.seed,
        identities=(key.identity,),
        fingerprint=config.fingerprint,
        letterhead=newest,
        quota=config.quota,
        today=lambda: store.now().date(),
        half_hour=lambda: half_hour_of(store.now()),
    )


@contextmanager
def open_server_endpoint(settings: Path) -> Iterator[Endpoint]:
    """Open the server's store and yield the server's end of a sync. Close the store afterwards.

    Raises:
        DeployError: the settings or the key have faults.
        StoreError: the store cannot be opened.
    """
    config = load_config(settings, "sync", SyncConfig)
    key = read_server_key(config.key_path)
    with closing(open_store(store_place(settings, config.store_path, Role.SYNC))) as store:
        yield server_endpoint_for(config, store, key)
