import pickle

import pytest

from crypto.errors import (
    CryptoError,
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
    + [PouchRefusedError(reason) for reason in PouchRefusal],
    ids=str,
)
def test_a_refusal_keeps_its_reason_between_processes(
    refusal: LetterheadRefusedError | KeyringRefusedError | PouchRefusedError,
) -> None:
    assert refusal.reason == pickle.loads(pickle.dumps(refusal)).reason  # noqa: S301  # our own bytes
    assert refusal.reason in str(refusal)
    assert isinstance(refusal, CryptoError)
