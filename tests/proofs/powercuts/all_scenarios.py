"""Table of all scenarios, by name."""

from tests.proofs.powercuts.changing_keys import ChangingKeys
from tests.proofs.powercuts.one_machine import Answering, Deleting, PostingScenario, Uploading
from tests.proofs.powercuts.scenarios import Scenario
from tests.proofs.powercuts.set_up import AdmittingToOnion, PairingScenario, SettingUp, Upgrading
from tests.proofs.powercuts.two_machines import Carrying, Syncing

SCENARIOS: dict[str, type[Scenario]] = {
    "posting": PostingScenario,
    "uploading": Uploading,
    "answering": Answering,
    "deleting": Deleting,
    "syncing": Syncing,
    "carrying": Carrying,
    "setting up": SettingUp,
    "changing keys": ChangingKeys,
    "pairing": PairingScenario,
    "admitting to an onion": AdmittingToOnion,
    "upgrading": Upgrading,
}
