import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database.atomic_files import make_folders, replace_file
from tests.flushes import note_flushes


def test_a_file_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    path = tmp_path / "keyring.age"
    path.write_bytes(b"the old keyring")

    replace_file(path, [b"the new ", b"keyring"])

    assert path.read_bytes() == b"the new keyring"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_flushed_before_the_rename_and_the_name_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = note_flushes(monkeypatch)

    replace_file(tmp_path / "keyring.age", [b"the new keyring"])

    assert flushed == [tmp_path / "keyring.age.new", tmp_path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"the new "
        raise OSError("the stick is gone")

    path = tmp_path / "keyring.age"
    path.write_bytes(b"the old keyring")

    with pytest.raises(OSError, match="the stick is gone"):
        replace_file(path, pieces())

    assert path.read_bytes() == b"the old keyring"
    assert list(tmp_path.iterdir()) == [path]


def test_the_names_of_new_folders_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = note_flushes(monkeypatch)

    make_folders(tmp_path / "new" / "desk")
    make_folders(tmp_path / "new" / "desk")

    assert (tmp_path / "new" / "desk").is_dir()
    assert flushed == [tmp_path, tmp_path / "new"]
