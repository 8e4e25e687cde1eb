import os
from pathlib import Path

import pytest

from tests.proofs.packages.debian_machine import DebianMachine, booted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may boot a machine in namespaces"),
]


def test_a_booted_copy_changes_nothing_on_this_machine(tmp_path: Path) -> None:
    with booted(DebianMachine("memory", tmp_path)) as machine:
        machine.does("touch", "/etc/steunpunt-was-here", "/usr/steunpunt-was-here", "/var/steunpunt-was-here")
        machine.does("useradd", "steunpunt-visitor")
        assert machine.does("ls", "/home", "/srv", "/usr/local") == "/home:\n\n/srv:\n\n/usr/local:\n"
        assert machine.types("ip", "route").stdout == ""

    assert not list(Path("/").glob("???/steunpunt-was-here"))
    assert "steunpunt-visitor" not in Path("/etc/passwd").read_text("utf-8")
    assert list(tmp_path.iterdir()) == []
