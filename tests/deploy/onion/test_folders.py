import os
import stat
from pathlib import Path

import pytest

from deploy.errors import OnionError, OnionFolderError, UnsafePathError
from deploy.onion.clients import admit_client, admitted_clients, make_client_key
from deploy.onion.folders import read_host, read_service_key, write_service_key
from deploy.onion.onion_keys import SECRET_FILE, OnionKey
from tests.flushes import note_flushes


def test_a_key_on_the_disk_is_for_its_owner_alone(tmp_path: Path) -> None:
    key, folder = OnionKey.draw(), tmp_path / "onion" / "source"

    write_service_key(folder, key)

    assert read_service_key(folder) == key
    assert read_host(folder) == key.host
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert list(folder.parent.iterdir()) == [folder]  # no unfinished folder is left


def test_a_key_is_never_replaced_by_another(tmp_path: Path) -> None:
    key = OnionKey.draw()
    write_service_key(tmp_path / "source", key)
    write_service_key(tmp_path / "source", key)  # the same key again does no harm

    with pytest.raises(OnionError, match="move it away first"):
        write_service_key(tmp_path / "source", OnionKey.draw())

    assert read_service_key(tmp_path / "source") == key


def test_workstations_admitted_before_there_was_a_key_stay(tmp_path: Path) -> None:
    workstation = make_client_key()
    admit_client(tmp_path / "sync" / "authorized_clients", "desk-1", workstation.public)
    key = OnionKey.draw()

    write_service_key(tmp_path / "sync", key)

    assert read_service_key(tmp_path / "sync") == key
    assert admitted_clients(tmp_path / "sync" / "authorized_clients") == {"desk-1": workstation.public}


def test_a_missing_key_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OnionError, match="no onion key"):
        read_service_key(tmp_path)
    assert read_host(tmp_path) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    write_service_key(tmp_path / "source", OnionKey.draw())
    (tmp_path / "source" / SECRET_FILE).chmod(mode)

    with pytest.raises(UnsafePathError, match="chmod 600"):
        read_service_key(tmp_path / "source")


def test_a_damaged_key_is_not_used_and_not_replaced(tmp_path: Path) -> None:
    write_service_key(tmp_path / "source", OnionKey.draw())
    (tmp_path / "source" / SECRET_FILE).write_bytes(b"half a ke")

    with pytest.raises(OnionError):
        read_service_key(tmp_path / "source")
    with pytest.raises(OnionError):
        write_service_key(tmp_path / "source", OnionKey.draw())


def test_a_damaged_address_file_counts_as_missing(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xff", b"example.org\n"):
        (tmp_path / "hostname").write_bytes(content)
        assert read_host(tmp_path) is None


def test_a_folder_that_cannot_be_used_gets_one_sentence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a file")

    with pytest.raises(OnionFolderError, match="cannot be read"):
        write_service_key(in_the_way / "source", OnionKey.draw())
    with pytest.raises(OnionFolderError, match="cannot be read"):
        read_service_key(in_the_way / "source")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_restored_by_root_belong_to_tors_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)

    write_service_key(tmp_path / "source", OnionKey.draw())

    made = [tmp_path / "source", *(tmp_path / "source").iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12345)}


def test_a_power_cut_leaves_no_folder_without_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = note_flushes(monkeypatch)

    write_service_key(tmp_path / "site", OnionKey.draw())

    *_, unfinished, parent = flushed
    assert unfinished.name.startswith(".site.")
    assert parent == tmp_path
