"""Recorder of the files and folders that our code flushes to the disk, for tests of power cuts."""

import os
from pathlib import Path

import pytest


def note_flushes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which the path of each file and folder is added that our code flushes from now on."""
    flushed: list[Path] = []
    flush = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return flushed
