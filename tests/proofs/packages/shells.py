"""The command of an installed package: completion in each shell, and another desk's settings."""

import re
from importlib.metadata import version

from tests.code_lines import ROOT
from tests.proofs.packages.debian_machine import INSTALL, DebianMachine

SHELLS = ("zsh", "fish")  # installed last, because their own needs could hide a need of our packages
_BASH = (
    ". /usr/share/bash-completion/completions/steunpunt; COMP_WORDS=(steunpunt ke) COMP_CWORD=1; "
    "_steunpunt_completion steunpunt; echo ${COMPREPLY[*]}"
)
_ZSH = "autoload -Uz compinit && compinit -u\nsteunpunt ke\t --help\nexit\n"


def completes_commands(machine: DebianMachine, *user: str) -> None:
    """Install the shells, and type the beginning `ke` of `steunpunt keys` in each.

    `user` are words that change the user.
    """
    machine.does(*INSTALL, *SHELLS)
    assert machine.does(*user, "steunpunt", "--version") == f"steunpunt {version('steunpunt-mailbox')}\n"
    assert machine.does(*user, "bash", "-c", _BASH) == "keys\n"
    assert machine.does(*user, "fish", "-c", "complete -C 'steunpunt ke'").startswith("keys\t")
    # zsh completes only at a terminal, which `script` gives to it.
    assert "Usage: steunpunt keys [" in machine.does(
        *user, "script", "-qec", "zsh -f -i", "/dev/null", text=_ZSH
    )


def upgrades_another_desk(machine: DebianMachine, folder: str, *user: str) -> None:
    """Make a trial desk in `folder`, and type the line of the operator's manual that upgrades such a desk.

    `user` are words that change the user.
    """
    line = re.search(r"`steunpunt (--settings \S+ )upgrade`", (ROOT / "docs/operator.md").read_text("utf-8"))
    assert line is not None
    setup = f"steunpunt {line[1]}setup --trial --source-bind 127.0.0.1:8090 --adviser-bind 127.0.0.2:8091"
    said = machine.does(*user, "sh", "-c", f"cd {folder} && {setup} && {line[0].strip('`')}")
    assert "Nothing to do" in said
