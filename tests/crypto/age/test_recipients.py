import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.age.header import Stanza
from crypto.age.recipients import (
    AgeIdentity,
    AgeRecipient,
    PQIdentity,
    PQRecipient,
    X25519Identity,
    X25519Recipient,
)
from crypto.errors import MalformedError

_FILE_KEY = bytes(range(16))
_KINDS = [PQIdentity, X25519Identity]
_SEED = st.binary(min_size=32, max_size=32)

# Both from the age specification, "Native recipient types".
_SPEC_X25519 = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
_SPEC_X25519_RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
_SPEC_PQ = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
_SPEC_PQ_RECIPIENT_START = (
    "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdxz95paef6caq5aapdmw"
)


@pytest.mark.parametrize("kind", _KINDS)
@given(seed=_SEED)
def test_a_wrapped_key_opens_only_for_its_recipient(
    kind: type[PQIdentity] | type[X25519Identity], seed: bytes
) -> None:
    identity = kind(seed)
    stanza = identity.recipient.wrap(_FILE_KEY)
    assert identity.unwrap(stanza) == _FILE_KEY
    assert kind(b"another reader, 32 bytes of seed").unwrap(stanza) is None


@pytest.mark.parametrize("kind", _KINDS)
@given(seed=_SEED)
def test_keys_read_back_from_text_and_bytes(
    kind: type[PQIdentity] | type[X25519Identity], seed: bytes
) -> None:
    identity = kind(seed)
    recipient = identity.recipient
    assert recipient == kind.from_text(identity.to_text()).recipient
    assert recipient == type(recipient).from_text(str(recipient))
    assert recipient == type(recipient).from_bytes(recipient.to_bytes())


def test_the_seed_of_a_post_quantum_identity_comes_back() -> None:
    assert bytes(range(32)) == PQIdentity(bytes(range(32))).to_bytes()


def test_the_keys_of_the_specification_are_derived() -> None:
    assert str(X25519Identity.from_text(_SPEC_X25519).recipient) == _SPEC_X25519_RECIPIENT
    recipient = str(PQIdentity.from_text(_SPEC_PQ).recipient)
    assert recipient.startswith(_SPEC_PQ_RECIPIENT_START)


def test_a_known_recipient_is_the_one_that_the_seed_gives() -> None:
    derived = PQIdentity(b"s" * 32).recipient
    known = PQIdentity(b"s" * 32, recipient=derived.to_bytes())

    assert known.recipient == derived
    assert known.unwrap(known.recipient.wrap(_FILE_KEY)) == _FILE_KEY


@pytest.mark.parametrize("identity", [PQIdentity(b"s" * 32), X25519Identity(b"s" * 32)])
def test_a_secret_never_shows_in_a_repr(identity: PQIdentity | X25519Identity) -> None:
    assert repr(identity) in {"PQIdentity()", "X25519Identity()"}


@pytest.mark.parametrize("kind", _KINDS)
def test_a_seed_of_another_length_is_refused(kind: type[PQIdentity] | type[X25519Identity]) -> None:
    with pytest.raises(MalformedError):
        kind(bytes(31))


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        pytest.param(PQRecipient, bytes(1215), id="a byte short"),
        pytest.param(PQRecipient, b"\xff" * 1216, id="numbers over the modulus of ML-KEM"),
        pytest.param(X25519Recipient, bytes(33), id="a byte long"),
    ],
)
def test_a_text_that_is_not_a_recipient_is_refused(
    kind: type[PQRecipient] | type[X25519Recipient], raw: bytes
) -> None:
    with pytest.raises(MalformedError):
        kind.from_bytes(raw)


def test_nothing_is_encrypted_to_a_point_whose_shared_secret_everyone_knows() -> None:
    with pytest.raises(MalformedError):
        X25519Recipient.from_bytes(bytes(32)).wrap(_FILE_KEY)


@pytest.mark.parametrize("identity", [PQIdentity(b"s" * 32), X25519Identity(b"s" * 32)])
def test_a_stanza_of_its_own_type_with_one_fault_is_refused_before_decryption(
    identity: PQIdentity | X25519Identity,
) -> None:
    recipient: AgeRecipient = identity.recipient
    opener: AgeIdentity = identity
    good = recipient.wrap(_FILE_KEY)
    kind, share = good.arguments
    for faulty in (
        Stanza((kind,), good.body),
        Stanza((kind, share, share), good.body),
        Stanza((kind, share[:-4]), good.body),
        Stanza((kind, share + "="), good.body),
        Stanza((kind, share), good.body + b"\0"),
        Stanza((kind, share), good.body[:-1]),
    ):
        with pytest.raises(MalformedError):
            opener.unwrap(faulty)
    assert opener.unwrap(Stanza(("another-type", share), good.body)) is None
