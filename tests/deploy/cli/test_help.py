"""Help, manual pages and completion are made from the commands, and every example can be typed."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deploy.cli.main import main
from deploy.cli.manual_pages import write_manual_pages
from deploy.cli.shell_completion import write_completions
from deploy.exit_codes import MEANINGS, SIGNALLED, ExitCode
from tests.deploy.cli.every_command import EVERY_COMMAND, Words

_ROOT = Path(__file__).parents[3]
_AT_THE_TOP = {"setup", "run", "check", "backup", "restore", "upgrade", "demo"}
_GROUPS = {"server", "workstation", "keys", "store", "onion", "pouch", "report"}
_COMMAND_LINE = re.compile(
    r"(?:(?<=bin/)|(?<![\w/:]))(?<!\d )steunpunt (?:--settings \S+ )?([a-z][a-z-]*)(?: ([a-z][a-z-]*))?"
)
_IN_CODE = re.compile(r"(?s)```.*?```|`[^`]+`")
# Lines in which `steunpunt` is the name of a database or of its user.
_OF_POSTGRESQL = re.compile(r"(?m)^ *(?:printf|sed|runuser -u postgres -- (?:createdb|psql)) .*$")


def _examples(command: click.Command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  steunpunt ")]


def _parsed(words: list[str]) -> str:
    """Parse a command line as the program does, without running it. Return the name of its command."""
    context = main.make_context("steunpunt", words)
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert name is not None
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context.command_path.removeprefix("steunpunt ")


def test_the_commands_are_at_the_top_or_in_a_group() -> None:
    assert _AT_THE_TOP == {words[0] for words in EVERY_COMMAND if len(words) == 1}
    assert _GROUPS == {words[0] for words in EVERY_COMMAND if len(words) == 2}


@pytest.mark.parametrize(("words", "command"), EVERY_COMMAND.items(), ids=map(" ".join, EVERY_COMMAND))
def test_each_command_and_option_has_a_help_text(words: Words, command: click.Command) -> None:
    context = click.Context(command, info_name=words[-1])

    assert re.match(r"[A-Z][^\n]+\.", command.help or "")
    for each in command.params:
        if isinstance(each, click.Option):
            assert re.search(r"[.\]]$", each.help or ""), each.name
    assert "Examples:" in command.get_help(context)


@pytest.mark.parametrize(("words", "command"), EVERY_COMMAND.items(), ids=map(" ".join, EVERY_COMMAND))
def test_each_example_is_a_command_line_that_the_program_accepts(
    words: Words, command: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, *_: Path(value))  # no file needs to exist

    for example in _examples(command):
        typed = shlex.split(re.split("[<>]", example)[0])[1:]

        assert " ".join(words) == _parsed(typed)


@pytest.mark.parametrize("group", [main, *(main.commands[name] for name in sorted(_GROUPS))])
def test_the_list_of_commands_shows_each_first_sentence_whole(group: click.Group) -> None:
    shown = group.get_help(click.Context(group, info_name="steunpunt", terminal_width=80))

    assert "..." not in shown.partition("Commands:")[2]


def test_an_example_that_the_program_refuses_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        _parsed(["keys", "add", "--holders", "Colleague"])


def _command_lines() -> Iterator[tuple[str, str, str]]:
    """Yield the words of each command that a document or a sentence of the program names, and its file."""
    files, _ = _output(["git", "-C", _ROOT, "ls-files", "*.md", "*.py", "*.toml"])
    for file in files.split():
        if file.startswith("tests/"):
            continue
        text = (_ROOT / file).read_text("utf-8")
        if file.endswith(".py"):
            nodes = ast.walk(ast.parse(text))
            texts = [
                each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
        else:
            text = _OF_POSTGRESQL.sub("", text.replace("\n#", ""))
            texts = [each.group() for each in _IN_CODE.finditer(text)]
        for each in texts:
            for found in _COMMAND_LINE.finditer(" ".join(each.split())):
                yield file, found[1], found[2] or ""


def test_no_text_names_a_command_that_does_not_exist() -> None:
    """Attack: in an emergency, the operator types what a manual or an error says, and nothing happens."""
    known = {words[0] for words in EVERY_COMMAND}
    grouped = {words for words in EVERY_COMMAND if words[0] in _GROUPS}
    lines = list(_command_lines())

    unknown = [
        (file, first, second)
        for file, first, second in lines
        if first not in known or (first in _GROUPS and second and (first, second) not in grouped)
    ]

    assert [] == unknown
    assert len(lines) > 100


# ---- exit statuses ---------------------------------------------------------------------------------


def test_the_help_and_the_manual_have_the_one_table_of_exit_statuses() -> None:
    assert set(ExitCode) == set(MEANINGS)
    manual = (_ROOT / "docs" / "operator.md").read_text("utf-8")

    assert {(f"{code:d}", meaning) for code, meaning in MEANINGS.items()} == set(
        re.findall(r"^\| (\d+) \| (.+) \|$", manual, re.MULTILINE)
    )
    assert f"| 128 + n | {SIGNALLED} |" in manual
    shown = main.get_help(click.Context(main, info_name="steunpunt"))
    for code, meaning in MEANINGS.items():
        assert f"{code:3}  {meaning}" in shown
    assert f"128+n  {SIGNALLED}" in shown


def test_the_manual_names_each_command_that_prints_json_for_a_script() -> None:
    manual = " ".join((_ROOT / "docs" / "operator.md").read_text("utf-8").split())
    sentence = re.search(r"The commands ([^.]+) print their result as JSON with the option `--json`", manual)
    assert sentence is not None

    have = {
        " ".join(words)
        for words, command in EVERY_COMMAND.items()
        if any("--json" in each.opts for each in command.params)
    }

    assert have == set(re.findall("`([^`]+)`", sentence[1]))


# ---- manual pages and completion -------------------------------------------------------------------


def test_each_command_is_on_one_manual_page_and_groff_reads_the_pages_without_a_warning(
    tmp_path: Path,
) -> None:
    write_manual_pages(tmp_path / "man")

    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "man").iterdir()}

    assert SIGNALLED in pages["steunpunt.1"]
    assert {"steunpunt.1", *(f"steunpunt-{group}.1" for group in _GROUPS)} == set(pages)
    text = "".join(pages.values()).replace("\\-", "-")
    assert [1] * len(EVERY_COMMAND) == [
        text.count(f".SS steunpunt {' '.join(words)}\n") for words in EVERY_COMMAND
    ]
    for page in (tmp_path / "man").iterdir():
        groff = ["groff", "-K", "utf8", "-man", "-ww", "-z", "-Tutf8", page]
        assert ("", "") == _output(groff), page.name


def test_two_builds_of_the_manual_pages_and_the_completion_are_the_same(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_manual_pages(tmp_path / name)
        write_completions(tmp_path / name)

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second


@pytest.mark.parametrize("module", ["manual_pages", "shell_completion"])
def test_a_build_calls_the_generators_with_a_folder(tmp_path: Path, module: str) -> None:
    subprocess.run([sys.executable, "-m", f"deploy.cli.{module}", tmp_path / "made"], cwd=_ROOT, check=True)

    assert any((tmp_path / "made").iterdir())


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["steunpunt", "wo"], ["workstation"]),
        (["steunpunt", "keys", "change"], ["change-passphrase"]),
        (["steunpunt", "run", "sw"], ["sweeper"]),
        (["steunpunt", "store", "verify", "--j"], ["--json"]),
    ],
)
def test_bash_completes_commands_and_options(tmp_path: Path, typed: list[str], offered: list[str]) -> None:
    write_completions(tmp_path)
    words = " ".join(map(shlex.quote, typed))
    script = (
        f"source {tmp_path}/steunpunt; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; "
        '_steunpunt_completion steunpunt; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=True
    )

    assert offered == done.stdout.split()


def test_the_version_is_the_one_of_the_package() -> None:
    assert re.fullmatch(
        r"steunpunt \d+\.\d+\.\d+\n", _output([Path(sys.executable).parent / "steunpunt", "--version"])[0]
    )


def _output(command: list[str | Path]) -> tuple[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr
