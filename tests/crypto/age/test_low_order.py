import os

import pytest

from crypto.age import PQIdentity, PQRecipient
from crypto.errors import MalformedError
from tests.crypto.age.low_order import LOW_ORDER_POINTS


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_a_post_quantum_recipient_with_a_point_of_low_order_is_refused(point: bytes) -> None:
    """Attack: encrypting to such a recipient raised an exception that no caller expected."""
    good = PQIdentity(os.urandom(32)).recipient.to_bytes()
    with pytest.raises(MalformedError):
        PQRecipient.from_bytes(good[:-32] + point)
    assert good == PQRecipient.from_bytes(good).to_bytes()
