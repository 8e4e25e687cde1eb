import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from crypto import age
from deploy.errors import ConfigError, OnionError
from deploy.onion import onion_backup
from deploy.onion.clients import UNUSED_CLIENT, admit_client, admitted_clients, client_keys, make_client_key
from deploy.onion.folders import read_service_key, write_service_key
from deploy.onion.onion_keys import SECRET_FILE, OnionKey
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from tests.deploy.onion.sites import settings_in

PQ = age.PQIdentity(b"p" * 32)
CLASSIC = age.X25519Identity(b"x" * 32)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the settings of a site with both services and one workstation."""
    settings = settings_in(tmp_path / "var", folder="onion", sync_socket="/run/steunpunt/sync.sock")
    config = load_config(settings, "onion", OnionConfig)
    write_service_key(config.source_folder, OnionKey.draw())
    write_service_key(config.sync_folder, OnionKey.draw())
    admit_client(config.clients_folder, "desk-1", make_client_key().public)
    return settings


def _config(settings: Path) -> OnionConfig:
    return load_config(settings, "onion", OnionConfig)


def _identity_file(folder: Path, identity: age.PQIdentity | age.X25519Identity = PQ) -> Path:
    path = folder / "identity.txt"
    path.write_text(f"# created: today\n# public key: {identity.recipient}\n{identity.to_text()}\n", "utf-8")
    return path


def _sealed(folder: Path, *members: tuple[str, bytes]) -> Path:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return _sealed_bytes(folder, held.getvalue())


def _sealed_bytes(folder: Path, packed: bytes) -> Path:
    sealed = age.encrypt(packed, [PQ.recipient])
    path = folder / "backup.age"
    path.write_bytes(sealed.header + sealed.payload)
    return path


VERSION = ("version", b"steunpunt-onion-backup/1\n")
KEY = (f"source/{SECRET_FILE}", OnionKey.draw().files()[SECRET_FILE])


@pytest.mark.parametrize("identity", [PQ, CLASSIC], ids=["post-quantum", "X25519"])
def test_a_lost_server_comes_back_under_the_same_address(
    site: Path, tmp_path: Path, identity: age.PQIdentity | age.X25519Identity
) -> None:
    before, backup = _config(site), tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(identity.recipient)])
    new = tmp_path / "new-server" / "var" / "config.toml"

    said = onion_backup.restore_onions(new, backup, _identity_file(tmp_path, identity))

    assert "desk-1 may connect to the onion for sync, also if it was dismissed since." in said
    after = _config(new)
    assert new.read_bytes() == site.read_bytes()
    assert after.source_folder != before.source_folder
    assert read_service_key(after.source_folder) == read_service_key(before.source_folder)
    assert read_service_key(after.sync_folder) == read_service_key(before.sync_folder)
    assert admitted_clients(after.clients_folder) == admitted_clients(before.clients_folder)
    assert UNUSED_CLIENT in client_keys(after.clients_folder)
    assert [path.name for path in new.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_age_and_tar_can_open_a_backup_without_this_program(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(CLASSIC.recipient)])

    opened = subprocess.run(
        ["age", "-d", "-i", _identity_file(tmp_path, CLASSIC), backup], capture_output=True, check=True
    )
    listed = subprocess.run(["tar", "-t"], input=opened.stdout, capture_output=True, check=True)

    assert listed.stdout.decode().split() == [
        "version",
        "config.toml",
        f"source/{SECRET_FILE}",
        f"sync/{SECRET_FILE}",
        "sync/authorized_clients/desk-1.auth",
    ]


def test_a_backup_is_readable_for_its_owner_alone_and_shows_nothing(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"

    said = onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])

    assert backup.stat().st_mode & 0o077 == 0
    assert b"onion" not in backup.read_bytes()
    assert "post-quantum" not in " ".join(said)


def test_a_recipient_that_is_not_post_quantum_gets_a_warning(site: Path, tmp_path: Path) -> None:
    said = onion_backup.back_up_onions(site, tmp_path / "backup.age", [str(CLASSIC.recipient)])

    assert "not post-quantum" in said[-1]


def test_restoring_twice_changes_nothing(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    before = {path: path.read_bytes() for path in site.parent.rglob("*") if path.is_file()}

    onion_backup.restore_onions(site, backup, _identity_file(tmp_path))

    assert {path: path.read_bytes() for path in site.parent.rglob("*") if path.is_file()} == before


def test_another_onions_key_is_never_replaced_and_nothing_is_half_done(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    config = _config(site)
    (config.sync_folder / SECRET_FILE).write_bytes(OnionKey.draw().files()[SECRET_FILE])
    (config.source_folder / SECRET_FILE).unlink()
    site.rename(tmp_path / "moved away")

    with pytest.raises(OnionError, match="move it away first"):
        onion_backup.restore_onions(site, backup, _identity_file(tmp_path))

    assert not site.exists()
    assert not (config.source_folder / SECRET_FILE).exists()


def test_a_damaged_key_in_the_way_is_refused(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    (_config(site).source_folder / SECRET_FILE).write_bytes(b"damaged")

    with pytest.raises(OnionError, match="96 bytes"):
        onion_backup.restore_onions(site, backup, _identity_file(tmp_path))


def test_other_settings_in_the_way_are_kept(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    changed = site.read_text("utf-8") + "\n# changed\n"
    site.write_text(changed, "utf-8")

    with pytest.raises(OnionError, match="Nothing was changed"):
        onion_backup.restore_onions(site, backup, _identity_file(tmp_path))

    assert site.read_text("utf-8") == changed


def test_an_older_backup_is_not_replaced(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    backup.write_bytes(b"older")

    with pytest.raises(OnionError, match="name another file"):
        onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])

    assert backup.read_bytes() == b"older"


def test_a_site_without_a_key_gets_no_backup(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var", folder="onion")

    with pytest.raises(OnionError, match="no onion key"):
        onion_backup.back_up_onions(settings, tmp_path / "backup.age", [str(PQ.recipient)])

    assert not (tmp_path / "backup.age").exists()


@pytest.mark.parametrize(
    "recipients",
    [["age1nobody"], [""], ["ssh-ed25519 AAAA"], [PQ.to_text()], [str(PQ.recipient), str(CLASSIC.recipient)]],
    ids=["damaged", "empty", "another kind", "a secret", "mixed"],
)
def test_text_that_is_not_a_recipient_is_refused_and_not_repeated(
    site: Path, tmp_path: Path, recipients: list[str]
) -> None:
    with pytest.raises(OnionError) as refusal:
        onion_backup.back_up_onions(site, tmp_path / "backup.age", recipients)

    assert PQ.to_text() not in str(refusal.value)
    assert not (tmp_path / "backup.age").exists()


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: raw[:100], lambda raw: raw[:-9] + bytes(9), lambda _: b""]
)
def test_a_damaged_backup_writes_nothing(site: Path, tmp_path: Path, spoil: object) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    backup.write_bytes(spoil(backup.read_bytes()))
    new = tmp_path / "new" / "config.toml"

    with pytest.raises(OnionError, match="cannot be decrypted"):
        onion_backup.restore_onions(new, backup, _identity_file(tmp_path))

    assert not new.parent.exists()


def test_another_identity_decrypts_nothing(site: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.age"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])

    with pytest.raises(OnionError, match="another recipient"):
        onion_backup.restore_onions(
            tmp_path / "new" / "config.toml", backup, _identity_file(tmp_path, CLASSIC)
        )


@pytest.mark.parametrize("text", ["AGE-SECRET-KEY-1NONE\n", "age1nobody\n"])
def test_text_that_is_not_an_identity_is_refused_and_not_repeated(
    site: Path, tmp_path: Path, text: str
) -> None:
    backup, identity = tmp_path / "backup.age", tmp_path / "identity.txt"
    onion_backup.back_up_onions(site, backup, [str(PQ.recipient)])
    identity.write_text(text)

    with pytest.raises(OnionError, match="age-keygen") as refusal:
        onion_backup.restore_onions(tmp_path / "new" / "config.toml", backup, identity)

    assert text.strip() not in str(refusal.value)


def test_missing_files_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OnionError, match="cannot be read"):
        onion_backup.restore_onions(tmp_path / "config.toml", tmp_path / "none.age", _identity_file(tmp_path))
    with pytest.raises(OnionError, match="cannot be read"):
        onion_backup.restore_onions(tmp_path / "config.toml", tmp_path / "none.age", tmp_path / "none.txt")


HOSTILE = {
    "a path upwards": [VERSION, ("config.toml", b""), KEY, ("../escaped", b"x")],
    "an absolute path": [VERSION, ("config.toml", b""), KEY, ("/etc/cron.d/x", b"x")],
    "a client with a path": [VERSION, ("config.toml", b""), KEY, ("sync/authorized_clients/../x.auth", b"x")],
    "a name twice": [VERSION, ("config.toml", b""), KEY, ("config.toml", b"")],
    "no settings": [VERSION, KEY],
    "no key": [VERSION, ("config.toml", b"")],
    "settings of 2 MiB": [VERSION, ("config.toml", b"#" * 2 * 1024 * 1024), KEY],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_an_age_file_that_is_not_a_backup_writes_nothing(
    tmp_path: Path, members: list[tuple[str, bytes]]
) -> None:
    backup = _sealed(tmp_path, *members)

    with pytest.raises(OnionError, match="is not a backup of onion keys"):
        onion_backup.restore_onions(tmp_path / "new" / "config.toml", backup, _identity_file(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.age", "identity.txt"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_tar_member_that_is_not_a_plain_file_writes_nothing(tmp_path: Path, kind: bytes) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        member = tarfile.TarInfo("config.toml")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)

    with pytest.raises(OnionError, match="is not a backup of onion keys"):
        onion_backup.restore_onions(
            tmp_path / "new" / "config.toml",
            _sealed_bytes(tmp_path, held.getvalue()),
            _identity_file(tmp_path),
        )


def test_content_that_is_not_a_tar_writes_nothing(tmp_path: Path) -> None:
    backup = _sealed_bytes(tmp_path, os.urandom(5000))

    with pytest.raises(OnionError, match="is not a backup of onion keys"):
        onion_backup.restore_onions(tmp_path / "new" / "config.toml", backup, _identity_file(tmp_path))


@pytest.mark.parametrize("version", [[], [("version", b"steunpunt-onion-backup/2\n")]], ids=["none", "newer"])
def test_a_backup_of_another_version_is_refused(tmp_path: Path, version: list[tuple[str, bytes]]) -> None:
    backup = _sealed(tmp_path, *version, ("config.toml", b""), KEY)

    with pytest.raises(OnionError, match="another version"):
        onion_backup.restore_onions(tmp_path / "new" / "config.toml", backup, _identity_file(tmp_path))


def test_settings_with_faults_write_nothing(tmp_path: Path) -> None:
    backup = _sealed(tmp_path, VERSION, ("config.toml", b"[onion]\n"), KEY)

    with pytest.raises(ConfigError):
        onion_backup.restore_onions(tmp_path / "new" / "config.toml", backup, _identity_file(tmp_path))

    assert not (tmp_path / "new").exists()
