import pickle

import pytest

from crypto.errors import CryptoError
from gpg.errors import RecipientRefusal, RecipientRefusedError
from protocol.errors import (
    KeyringRefusal,
    KeyringRefusedError,
    LetterheadRefusal,
    LetterheadRefusedError,
    PouchRefusal,
    PouchRefusedError,
)


@pytest.mark.parametrize(
    "refusal",
    [LetterheadRefusedError(reason) for reason in LetterheadRefusal]
    + [KeyringRefusedError(reason) for reason in KeyringRefusal]
    + [PouchRefusedError(reason) for reason in PouchRefusal]
    + [RecipientRefusedError(reason) for reason in RecipientRefusal],
    ids=str,
)
def test_a_refusal_keeps_its_reason_between_processes(
    refusal: LetterheadRefusedError | KeyringRefusedError | PouchRefusedError | RecipientRefusedError,
) -> None:
    assert refusal.reason == pickle.loads(pickle.dumps(refusal)).reason  # noqa: S301  # our own bytes
    assert refusal.reason in str(refusal)
    assert isinstance(refusal, CryptoError)
