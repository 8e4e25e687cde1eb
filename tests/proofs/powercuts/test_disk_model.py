import random

from tests.proofs.powercuts.disk_model import SECTOR_BYTES, Disk
from tests.proofs.powercuts.disk_operations import (
    DiskOperation,
    MakeFile,
    Remove,
    Rename,
    Resize,
    Sync,
    Write,
)


def a_disk(*operations: DiskOperation) -> Disk:
    """Return a disk with the folders "one" and "two", on which these operations were done."""
    disk = Disk({"one": None, "one/file": b"old", "two": None})
    for operation in operations:
        disk.apply(operation)
    return disk


def test_a_write_is_on_the_disk_only_after_the_sync_of_its_file() -> None:
    written = Write("one/file", 0, b"new")

    assert a_disk(written).synced_only("")["one/file"] == b"old"
    assert a_disk(written, Sync("one/file", started=1)).synced_only("")["one/file"] == b"new"


def test_a_sync_says_nothing_about_a_write_that_ended_after_it_began() -> None:
    disk = a_disk(Write("one/file", 0, b"new"), Write("one/file", 3, b"er"), Sync("one/file", started=1))

    assert disk.synced_only("")["one/file"] == b"new"


def test_a_new_name_is_on_the_disk_only_after_the_sync_of_its_folder() -> None:
    made = [
        MakeFile("one/new"),
        Write("one/new", 0, b"text"),
        Sync("one/new", 2),
        Rename("one/new", "one/file"),
    ]

    assert a_disk(*made).synced_only("") == {"one": None, "one/file": b"old", "two": None}
    assert a_disk(*made, Sync("one", 4)).synced_only("") == {"one": None, "one/file": b"text", "two": None}


def test_a_removed_file_may_come_back_until_the_sync_of_its_folder() -> None:
    assert a_disk(Remove("one/file")).synced_only("")["one/file"] == b"old"
    assert "one/file" not in a_disk(Remove("one/file"), Sync("one", 1)).synced_only("")


def test_a_write_is_torn_into_sectors() -> None:
    sectors = [bytes([number]) * SECTOR_BYTES for number in range(1, 5)]
    disk = a_disk(Resize("one/file", 0), Sync("one/file", 1), Write("one/file", 0, b"".join(sectors)))

    found = [disk.at_random("", random.Random(seed))["one/file"] or b"" for seed in range(2000)]

    kept = {tuple(each in content for each in sectors) for content in found}
    assert {(True, False, False, False), (False, False, False, True), (True, True, True, True)} <= kept
    assert {len(content) % SECTOR_BYTES for content in found} == {0}


def test_only_the_machine_that_lost_power_loses_anything() -> None:
    disk = a_disk(Write("one/file", 0, b"new"), MakeFile("two/file"))

    assert disk.synced_only("one") == {"one": None, "one/file": b"old", "two": None, "two/file": b""}
    assert disk.synced_only("two") == {"one": None, "one/file": b"new", "two": None}
