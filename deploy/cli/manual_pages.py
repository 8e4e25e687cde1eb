"""Manual pages of `steunpunt`, made from the commands: `python -m deploy.cli.manual_pages FOLDER`.

The pages are not in git: a build makes them. They have no date, so that two builds make the same bytes.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from inspect import cleandoc
from pathlib import Path

import click

from deploy.cli.main import main
from deploy.exit_codes import MEANINGS, SIGNALLED


def write_manual_pages(folder: Path) -> None:
    """Write manual pages into a folder: steunpunt(1), and one page for each group of commands."""
    folder.mkdir(parents=True, exist_ok=True)
    top = click.Context(main, info_name="steunpunt")
    contexts = [top, *(each for each in _below(top) if isinstance(each.command, click.Group))]
    for context in contexts:
        lines = [*_page(context, [each for each in contexts if each is not context])]
        (folder / f"{_page_name(context)}.1").write_text("\n".join(lines) + "\n", "utf-8")


def _page(context: click.Context, others: list[click.Context]) -> Iterator[str]:
    name, summary = _page_name(context), cleandoc(context.command.help or "").partition("\n")[0].rstrip(".")
    yield f'.TH {name.upper()} 1 "" "steunpunt {version("steunpunt-mailbox")}" "Steunpunt Mailbox"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(summary)}", ".SH SYNOPSIS", *_usage(context))
    yield from (".SH DESCRIPTION", *_description(context.command), ".SH OPTIONS", *_options(context))
    yield ".SH COMMANDS"
    for below in _below(context):
        if not isinstance(below.command, click.Group):
            yield f".SS {_text(below.command_path)}"
            yield from (*_usage(below), *_description(below.command), *_options(below))
    yield ".SH EXIT STATUS"
    for code, meaning in MEANINGS.items():
        yield from (".TP", f"{code:d}", _text(meaning))
    yield from (".TP", "128+n", SIGNALLED)
    yield from (".SH SEE ALSO", ", ".join(f"{_text(_page_name(each))}(1)" for each in others))


def _below(context: click.Context) -> Iterator[click.Context]:
    group = context.command
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield click.Context(command, info_name=name, parent=context)


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _usage(context: click.Context) -> Iterator[str]:
    yield from (".PP", f"\\fB{_text(context.command_path)}\\fR")
    yield _text(" ".join(context.command.collect_usage_pieces(context)))


def _description(command: click.Command) -> Iterator[str]:
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        yield from (".PP", _text(" ".join(paragraph.split())))
    lines = (command.epilog or "").splitlines()[1:]  # without the mark that click must not wrap the lines
    if lines and command is not main:
        yield from (".PP", _text(lines[0]), ".EX", *map(_text, lines[1:]), ".EE")


def _options(context: click.Context) -> Iterator[str]:
    records = (each.get_help_record(context) for each in context.command.get_params(context))
    for option, meaning in (record for record in records if record and record[1]):
        yield from (".TP", f"\\fB{_text(option)}\\fR", _text(meaning))


def _text(words: str) -> str:
    """Escape the characters in a text that roff does not show unchanged."""
    shown = words.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


if __name__ == "__main__":
    write_manual_pages(Path(sys.argv[1]))
