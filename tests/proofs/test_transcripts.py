"""P5 and P6 in depth: the search over orders of actions, with longer sequences than in the fast tests."""

import pytest

from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.protocol.transcript.explorer import SCENARIOS, Explorer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_order_of_many_actions_breaks_a_promise(name: str) -> None:
    scenario = SCENARIOS[name]
    depth, states = (scenario.long, 2_000_000) if IS_WHOLE else (scenario.short + 1, 1_000)
    explorer = Explorer(scenario.limits, heals=scenario.heals)
    broken, trace, found = explorer.run(depth, states)
    assert not broken, "\n".join([broken, *trace])
    said = f"every order of up to {explorer.length} actions of {depth}"
    print_result(f"{name}: no broken promise in {found} states, {said}")
