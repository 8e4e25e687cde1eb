"""Scripts with which a shell completes `steunpunt`: `python -m deploy.cli.shell_completion FOLDER`.

The scripts are not in git: a build makes them. Each script asks the installed `steunpunt` for the words that
may come next.
"""

import sys
from pathlib import Path
from typing import Final

from click.shell_completion import ShellComplete, get_completion_class

from deploy.cli.main import main

# The name under which each shell looks for the script.
_SCRIPTS: Final = {"bash": "steunpunt", "zsh": "_steunpunt", "fish": "steunpunt.fish"}


def write_completions(folder: Path) -> None:
    """Write the scripts for bash, zsh and fish into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for shell, name in _SCRIPTS.items():
        kind = get_completion_class(shell) or ShellComplete
        script = ShellComplete.source(kind(main, {}, "steunpunt", "_STEUNPUNT_COMPLETE"))
        (folder / name).write_text(script, "utf-8")


if __name__ == "__main__":
    write_completions(Path(sys.argv[1]))
