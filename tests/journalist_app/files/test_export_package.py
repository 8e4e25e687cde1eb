"""Export package for a recipient: its content, the pinned keys, and the exporter, with the real gpg."""

import dataclasses
import io
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.errors import UnreadableError
from gpg.errors import RecipientRefusal
from gpg.home import GpgHome, OpenPGPKey
from journalist_app.cleaning.safe_copies import SandboxedExaminer
from journalist_app.config import AdviserConfig
from journalist_app.errors import AdviserConfigError, PassOnRefusal
from journalist_app.files import export_package
from journalist_app.files.gpg_export import Exporter, open_exporter
from journalist_app.files.pinned_recipients import RecipientKey
from journalist_app.services.whole_desk import unlocking
from protocol.keyring import Keyring
from tests.gpg.gpg_factories import signer_of
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_world, write_keyring
from tests.journalist_app.refusals import refuses

MANY = 10**8
TEXT = "Woord voor woord, met een é."


@pytest.fixture
def memory() -> Iterator[Path]:
    folder = Path("/dev/shm") / f"steunpunt-test-{secrets.token_hex(6)}"  # noqa: S108  # memory, on purpose
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stranger(memory: Path) -> Iterator[GpgHome]:
    with GpgHome.open(memory) as home:
        yield home


@pytest.fixture
def theirs(stranger: GpgHome) -> OpenPGPKey:
    return stranger.make_key("Secretaris-Generaal", TODAY)


@pytest.fixture
def own(stranger: GpgHome) -> OpenPGPKey:
    return stranger.make_key("Steunpunt Voorbeeld", TODAY)


def recipient(folder: Path, key: OpenPGPKey, public: str | None = None) -> RecipientKey:
    path = folder / f"{key.fingerprint}.asc"
    path.write_text(key.public if public is None else public)
    return RecipientKey("sg", "Secretaris-Generaal", key.fingerprint, path)


@pytest.fixture
def world(tmp_path: Path, memory: Path, theirs: OpenPGPKey, own: OpenPGPKey) -> World:
    world = a_world(tmp_path)
    world.keyring = world.keyring.with_openpgp(own.secret)
    write_keyring(world.config.keyring_path, world.keyring)
    world.config = dataclasses.replace(
        world.config, openpgp_home_path=memory / "gpg", recipients=(recipient(tmp_path, theirs),)
    )
    return world


def an_exporter(config: AdviserConfig, keyring: Keyring) -> Exporter | None:
    return open_exporter(config.openpgp_home_path, keyring.openpgp, config.recipients, SandboxedExaminer())


@pytest.fixture
def exporter(world: World) -> Iterator[Exporter]:
    opened = an_exporter(world.config, world.keyring)
    assert opened is not None
    yield opened
    opened.home.close()


def opened_zip(stranger: GpgHome, sealed: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(stranger.decrypt(sealed, at_most=MANY)[0]))


# ---- the file --------------------------------------------------------------------------------------


def test_the_recipient_decrypts_and_verifies_the_export(
    exporter: Exporter, stranger: GpgHome, own: OpenPGPKey
) -> None:
    to = exporter.recipients[0]
    photo = secrets.token_bytes(300_000)
    files = [("foto.jpg", iter((photo[:1000], photo[1000:]))), ("foto.jpg", iter((b"two",)))]

    sealed = b"".join(exporter.make(to, TEXT, files, TODAY))

    assert own.fingerprint == signer_of(stranger, sealed)
    with opened_zip(stranger, sealed) as archive:
        assert archive.namelist() == ["proposal.txt", "foto.jpg", "foto (2).jpg"]
        assert archive.read("proposal.txt").decode() == TEXT
        assert archive.read("foto.jpg") == photo
        assert archive.read("foto (2).jpg") == b"two"


def test_an_export_reveals_the_day_and_nothing_else(exporter: Exporter, stranger: GpgHome) -> None:
    files = [
        ("../../etc/pass\u202ewd", iter((b"x",))),
        ("PROPOSAL.TXT", iter(())),
        ("\uff50roposal.txt", iter(())),
    ]

    sealed = b"".join(exporter.make(exporter.recipients[0], TEXT, files, TODAY))

    with opened_zip(stranger, sealed) as archive:
        assert archive.namelist() == ["proposal.txt", "passwd", "PROPOSAL (2).TXT", "\uff50roposal (3).txt"]
        assert {each.date_time for each in archive.infolist()} == {(2026, 11, 23, 0, 0, 0)}
        assert archive.comment == b""
        assert not any(each.comment or each.filename.startswith("/") for each in archive.infolist())


def test_a_file_that_breaks_off_leaves_no_complete_export(exporter: Exporter, stranger: GpgHome) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(100_000)
        raise ConnectionResetError

    taken: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        taken.extend(exporter.make(exporter.recipients[0], TEXT, [("a.pdf", broken())], TODAY))

    with pytest.raises(UnreadableError):
        stranger.decrypt(b"".join(taken), at_most=MANY)


def test_a_long_file_is_zipped_piece_by_piece() -> None:
    pieces = (bytes(1_000_000) for _ in range(20))

    longest = max(map(len, export_package.zip_package(TEXT, [("long", pieces)], TODAY)))

    assert longest < 1_100_000


def test_a_failure_of_gpg_is_reported(exporter: Exporter) -> None:
    shutil.rmtree(exporter.home.folder / "private-keys-v1.d")

    with refuses(PassOnRefusal.NO_OPENPGP):
        list(exporter.make(exporter.recipients[0], TEXT, [], TODAY))


# ---- the keys --------------------------------------------------------------------------------------


def test_a_recipients_key_swapped_under_the_same_name_is_refused(
    world: World, stranger: GpgHome, theirs: OpenPGPKey, tmp_path: Path
) -> None:
    swapped = stranger.make_key("Secretaris-Generaal", TODAY)
    config = dataclasses.replace(world.config, recipients=(recipient(tmp_path, theirs, swapped.public),))

    exporter = an_exporter(config, world.keyring)

    assert exporter is not None
    with exporter.home, refuses(PassOnRefusal.RECIPIENT_OTHER_KEY):
        exporter.make(exporter.recipients[0], TEXT, [], TODAY)


def test_a_missing_key_file_is_refused_and_the_other_recipients_are_not(
    world: World, theirs: OpenPGPKey, tmp_path: Path
) -> None:
    gone = RecipientKey("other", "Iemand", "A" * 40, tmp_path / "gone.asc")
    config = dataclasses.replace(world.config, recipients=(gone, *world.config.recipients))

    exporter = an_exporter(config, world.keyring)

    assert exporter is not None
    with exporter.home:
        with refuses(PassOnRefusal.RECIPIENT_KEY):
            exporter.require_usable(gone.fingerprint, TODAY)
        exporter.require_usable(theirs.fingerprint, TODAY)


@pytest.mark.parametrize(
    ("key_reason", "reason"),
    [
        (RecipientRefusal.EXPIRED, PassOnRefusal.RECIPIENT_EXPIRED),
        (RecipientRefusal.REVOKED, PassOnRefusal.RECIPIENT_REVOKED),
        (RecipientRefusal.WEAK, PassOnRefusal.RECIPIENT_KEY),
    ],
)
def test_each_fault_of_a_key_is_refused_for_its_own_reason(
    exporter: Exporter, key_reason: RecipientRefusal, reason: PassOnRefusal
) -> None:
    fingerprint = exporter.recipients[0].fingerprint
    with_refusal = dataclasses.replace(exporter, refused={fingerprint: key_reason})

    with refuses(reason):
        with_refusal.require_usable(fingerprint, TODAY)


def test_a_key_that_was_never_pinned_is_refused(exporter: Exporter) -> None:
    with refuses(PassOnRefusal.RECIPIENT_KEY):
        exporter.require_usable("B" * 40, TODAY)


# ---- the desk --------------------------------------------------------------------------------------


def test_unlocking_makes_gpgs_home_and_locking_removes_it(world: World, memory: Path) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    assert desk.openpgp is not None
    assert desk.exporter is not None
    assert list((memory / "gpg").iterdir()) == [desk.openpgp.folder]

    desk.stop()

    assert list((memory / "gpg").iterdir()) == []


def test_a_desk_without_an_openpgp_key_passes_nothing_on(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    assert (desk.openpgp, desk.exporter) == (None, None)


def test_a_desk_without_gpg_passes_nothing_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert an_exporter(world.config, world.keyring) is None


def test_a_keyring_with_a_damaged_openpgp_key_passes_nothing_on(
    world: World, own: OpenPGPKey, memory: Path
) -> None:
    first, *_, last = own.secret.strip().splitlines()
    damaged = world.keyring.with_openpgp(f"{first}\n\nAAAA\n{last}\n")

    assert an_exporter(world.config, damaged) is None
    assert list((memory / "gpg").iterdir()) == []


# ---- the settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"role": "minister"}, "'role'"),
        ({"name": " "}, "'name'"),
        ({"name": "two\nlines"}, "'name'"),
        ({"name": "x" * 201}, "'name'"),
        ({"fingerprint": "a" * 40}, "'fingerprint'"),
        ({"fingerprint": "A" * 39}, "'fingerprint'"),
    ],
)
def test_a_recipient_with_a_faulty_setting_is_refused(world: World, wrong: dict[str, str], told: str) -> None:
    recipients = (dataclasses.replace(world.config.recipients[0], **wrong),)

    with pytest.raises(AdviserConfigError, match=told):
        dataclasses.replace(world.config, recipients=recipients)


def test_a_fingerprint_occurs_only_once(world: World) -> None:
    with pytest.raises(AdviserConfigError, match="twice"):
        dataclasses.replace(world.config, recipients=world.config.recipients * 2)
