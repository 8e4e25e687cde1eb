"""All commands of `steunpunt`, for tests that no command may escape."""

from collections.abc import Iterator

import click

from deploy.cli.main import main

Words = tuple[str, ...]


def _below(group: click.Group, words: Words) -> Iterator[tuple[Words, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _below(command, (*words, name))
        else:
            yield (*words, name), command


EVERY_COMMAND: dict[Words, click.Command] = dict(_below(main, ()))


def command_in(words: Words) -> Words:
    """Return the words of the command with which a command line begins."""
    return next(command for command in EVERY_COMMAND if command == words[: len(command)])
