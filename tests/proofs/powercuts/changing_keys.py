"""Scenario: an adviser adds and removes passphrases and sheets of the keyring."""

from contextlib import closing

from crypto.age.recovery_key import draw_identity
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import UnlockRefusal, UnlockRefusedError
from journalist_app.services.desk_keys import change_slots
from journalist_app.services.desk_keys.keyring_file import open_keyring_file
from journalist_app.services.whole_desk.unlocking import unlock_desk
from store.database.engine import open_store
from store.database.keyring_backups import list_backups
from tests.journalist_app.desk_factories import CHEAP, PASSPHRASE, TODAY, a_world
from tests.proofs.powercuts.scenarios import Scenario
from tests.proofs.powercuts.statements import state

_WORDS = ("een", "twee", "drie")


class ChangingKeys(Scenario):
    """An adviser adds passphrases and a sheet, and removes some. Those that were kept open the keyring."""

    def prepare(self) -> set[str]:
        world = a_world(self.disk)
        world.store.close()
        self.remember("config", world.config)
        self.remember("sheet", draw_identity().to_text())
        return {"first"}

    def _secrets(self) -> dict[str, str]:
        return {"first": PASSPHRASE, "sheet": self.remembered("sheet"), **{name: name for name in _WORDS}}

    def run(self) -> None:
        config = self.remembered("config")
        with closing(open_store(config.store_path)) as store:
            desk = unlock_desk(config, store, PASSPHRASE)
            for name in _WORDS[:2]:
                self._add(desk, name)
            self._remove(desk, "een")
            state("trying", "sheet")
            identity = draw_identity().from_text(self.remembered("sheet"))
            change_slots.add_sheet(desk, PASSPHRASE, identity, holder="Kluis", today=TODAY)
            state("kept", "sheet")
            self._remove(desk, "twee")
            self._add(desk, "drie")

    def _add(self, desk: OpenDesk, name: str) -> None:
        state("trying", name)
        change_slots.add_passphrase(desk, PASSPHRASE, name, holder=name, today=TODAY, cost=CHEAP)
        state("kept", name)

    def _remove(self, desk: OpenDesk, name: str) -> None:
        slot = next(slot for slot in desk.keyring.slots if slot.holder == name)
        state("deleting", name)
        change_slots.remove_slot(desk, PASSPHRASE, change_slots.slot_id(slot))
        state("gone", name)

    def readable(self) -> set[str]:
        config, found = self.remembered("config"), set()
        for name, secret in self._secrets().items():
            try:
                open_keyring_file(config, secret)
            except UnlockRefusedError as why:
                assert why.reason is UnlockRefusal.CLOSED  # noqa: PT017  # any other reason is a loss
            else:
                found.add(name)
        with closing(open_store(config.store_path)) as store:
            unlock_desk(config, store, PASSPHRASE).stop()  # the serial is not older than the remembered one
        (backup,) = list_backups(config.keyring_backups_path)
        assert open_keyring_file(config, PASSPHRASE).serial == backup.serial
        return found
