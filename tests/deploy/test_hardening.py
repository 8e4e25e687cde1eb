import tempfile
from pathlib import Path

import pytest

from deploy.errors import UnsafePathError
from deploy.hardening import (
    TMPFS,
    private_folder,
    private_memory_folder,
    refuse_readable_by_others,
    refuse_unusable_keyring,
    remake_folders,
)
from store.errors import StoreMissingError


def test_a_private_folder_is_made_for_us_alone_and_found_again(tmp_path: Path) -> None:
    private_folder(tmp_path / "in" / "memory")
    private_folder(tmp_path / "in" / "memory")

    assert (tmp_path / "in" / "memory").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o711)

    with pytest.raises(UnsafePathError, match="open to other users"):
        private_folder(folder)


def test_a_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafePathError, match="not a folder of this user"):
        private_folder(tmp_path / "link")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_keyring_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    keyring = tmp_path / "keyring.age"
    keyring.touch()
    keyring.chmod(mode)

    with pytest.raises(UnsafePathError, match=r"can be read by others: run chmod 600 .*keyring\.age"):
        refuse_readable_by_others(keyring)


def test_a_keyring_for_us_alone_is_accepted(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.age"
    keyring.touch(mode=0o600)

    refuse_readable_by_others(keyring)


def test_a_missing_keyring_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError, match=r"keyring.age is missing: .* steunpunt keys recover"):
        refuse_unusable_keyring(tmp_path / "keyring.age")
    with pytest.raises(UnsafePathError, match="cannot be found"):
        refuse_readable_by_others(tmp_path / "server.key")


def test_folders_that_disappeared_are_made_again_for_us_alone(tmp_path: Path) -> None:
    remake_folders(tmp_path / "memory", tmp_path / "memory" / "locks")

    assert (tmp_path / "memory" / "locks").stat().st_mode & 0o777 == 0o700


def test_an_outer_folder_in_memory_that_others_can_change_is_refused() -> None:
    """Attack: the owner of the outer folder replaces gpg's home by another folder."""
    with tempfile.TemporaryDirectory(prefix="steunpunt-", dir=TMPFS) as outer:
        private_memory_folder(Path(outer) / "gpg")
        Path(outer).chmod(0o777)

        with pytest.raises(UnsafePathError, match="open to other users"):
            private_memory_folder(Path(outer) / "gpg")


def test_a_folder_that_another_user_made_first_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory").chmod(0o777)

    with pytest.raises(StoreMissingError, match="cannot be made again"):
        remake_folders(tmp_path / "memory")
