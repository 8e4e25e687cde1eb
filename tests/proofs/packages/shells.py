"""The command of an installed package, typed in each shell for which the package has completion."""

from importlib.metadata import version

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
