"""The settings file of an older version gets what this version needs, and stays the operator's own file."""

import os
import re
import stat
import tomllib
from pathlib import Path

import pytest

from deploy.errors import ConfigError
from deploy.pairing.server import _SERVER as SERVER
from deploy.pairing.workstation import _WORKSTATION_SECTIONS as WORKSTATION
from deploy.settings.settings_text import EXAMPLE, from_example, line_of
from deploy.setup import ONE_MACHINE
from deploy.upgrading.new_settings import _SHAPES, plan_settings, replacing_settings

FINGERPRINT = f"RWQ{'B' * 53}"
SECTIONS = tuple(_SHAPES)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "var" / "config.toml"
    path.parent.mkdir()
    path.write_text(from_example(SECTIONS, FINGERPRINT, {("source", "bind"): "127.0.0.9:80"}), "utf-8")
    return path


def without(path: Path, section: str, *keys: str) -> str:
    """Remove keys, whose values may have several lines, from a section. Return the new text."""
    text = path.read_text("utf-8")
    start = text.index(f"\n[{section}]\n")
    for key in keys:
        value = r"(?:\[\n(?:.*\n)*?\]|.*)\n"
        text = text[:start] + re.sub(rf"(?m)(?:^{key}(?:\.\w+)? = {value})+", "", text[start:], count=1)
    path.write_text(text, "utf-8")
    return text


def test_a_file_of_this_version_stays_as_it_is(settings: Path) -> None:
    before = settings.read_text("utf-8")

    planned = plan_settings(settings)

    assert (before, ()) == (planned.text, planned.added)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_with_a_usual_value_is_added_with_its_comment(settings: Path, section: str) -> None:
    whole = tomllib.loads(settings.read_text("utf-8"))
    asked = {"fingerprint", "bind", "origin", "server"}
    keys = [key for key in whole[section] if key not in asked]
    text = without(settings, section, *keys)

    planned = plan_settings(settings)

    assert whole == tomllib.loads(planned.text)
    assert keys == [each.split(" = ")[0] for each in planned.added]
    assert all(each.endswith(f" to [{section}]") for each in planned.added)
    assert is_in_order(text.splitlines(), planned.text.splitlines())  # no line of the operator is lost
    for comment in re.findall(r"(?m)^# .*$", EXAMPLE.read_text("utf-8")):
        assert planned.text.count(comment) >= text.count(comment)


def is_in_order(lines: list[str], within: list[str]) -> bool:
    rest = iter(within)
    return all(line in rest for line in lines)


def test_comments_values_and_order_of_the_operator_stay(settings: Path) -> None:
    settings.write_text(
        """# our own file
[check]   # first, because we like it there
log_paths = [ "/var/log/a.log",  # the proxy
              "/var/log/b.log" ]
# failure_command: ask Anna
[backup]
keep_days = 3      # not 7
folder = "backups" # the second disk
age_recipients = []
# the end""",
        "utf-8",
    )

    planned = plan_settings(settings)

    assert planned.text == (
        f"""# our own file
[check]   # first, because we like it there
log_paths = [ "/var/log/a.log",  # the proxy
              "/var/log/b.log" ]

{documented("health_socket")}

{documented("failure_command")}
# failure_command: ask Anna
[backup]
keep_days = 3      # not 7
folder = "backups" # the second disk
age_recipients = []
# the end

{documented("keep")}
"""
    )


def documented(key: str) -> str:
    """Return a setting of the example with its comment."""
    text = EXAMPLE.read_text("utf-8")
    end = text.index(f"\n{key} = ")
    start = text.rindex("\n\n", 0, end) + 2
    comment = [line for line in text[start:end].splitlines() if line.startswith("#")]
    return "\n".join([*comment, text[end + 1 :].partition("\n")[0]])


def test_windows_line_ends_and_a_missing_one_at_the_end_are_no_fault(settings: Path) -> None:
    text = without(settings, "check", "failure_command").rstrip("\n").replace("\n", "\r\n")
    settings.write_bytes(text.encode("utf-8"))

    planned = plan_settings(settings)

    assert "" == tomllib.loads(planned.text)["check"]["failure_command"]
    assert is_in_order(text.split("\n"), planned.text.split("\n"))


def test_a_folder_in_memory_keeps_the_random_name_that_set_up_drew(settings: Path) -> None:
    before = tomllib.loads(settings.read_text("utf-8"))
    without(settings, "source", "argon2_lock_path")
    without(settings, "adviser", "openpgp_home_path")

    after = tomllib.loads(plan_settings(settings).text)

    assert before == after
    assert re.search("steunpunt-[0-9a-f]{16}", after["source"]["argon2_lock_path"])


@pytest.mark.parametrize(
    ("section", "key"),
    [("source", "fingerprint"), ("source", "origin"), ("sync", "bind"), ("adviser", "server")],
)
def test_what_set_up_filled_in_is_asked_for_by_name(settings: Path, section: str, key: str) -> None:
    text = without(settings, section, key, "workers")

    with pytest.raises(ConfigError, match=rf"write the key '{key}' under \[{section}\].*Nothing was changed"):
        plan_settings(settings)

    assert text == settings.read_text("utf-8")


def test_unknown_keys_and_sections_are_all_named_with_their_lines(settings: Path) -> None:
    settings.write_text(
        settings.read_text("utf-8")
        + "\n[sauce]\na = 1\n\n[source.sauce]\na = 1\n[[more]]\na = 1\n".replace("[source.", "[check."),
        "utf-8",
    )
    text = settings.read_text("utf-8").replace("threads = 16\n", 'threads = 16\n"oud" = [\n  1,\n]\n', 1)
    settings.write_text(text, "utf-8")
    lines = text.split("\n")

    with pytest.raises(ConfigError) as refusal:
        plan_settings(settings)

    said = str(refusal.value)
    for line, what in (
        ('"oud" = [', "key 'oud' under [source]"),
        ("[sauce]", "section [sauce]"),
        ("[check.sauce]", "key 'sauce' under [check]"),
        ("[[more]]", "section [more]"),
    ):
        assert f"line {lines.index(line) + 1}: this version has no {what}, so remove it" in said
    assert "\n" not in said


def test_settings_without_sections_are_refused_by_name(settings: Path) -> None:
    settings.write_text(
        "source = 1\n" + settings.read_text("utf-8").replace("[source]", "[check]", 1), "utf-8"
    )
    with pytest.raises(ConfigError):
        plan_settings(settings)
    settings.write_text("source = 1\nsauce = 2\n", "utf-8")
    with pytest.raises(ConfigError, match=r"section \[sauce\].*section \[source\]"):
        plan_settings(settings)


def test_a_section_in_a_form_that_we_cannot_extend_is_told_and_not_changed(settings: Path) -> None:
    text = 'check = { log_paths = [], health_socket = "" }\n'
    settings.write_text(text, "utf-8")

    with pytest.raises(
        ConfigError, match=r"by hand, as in config.example.toml: failure_command = .. to .check"
    ):
        plan_settings(settings)


def test_a_wrong_value_is_told_before_anything_is_upgraded(settings: Path) -> None:
    text = without(settings, "source", "workers").replace("session_minutes = 30", "session_minutes = 0")
    settings.write_text(text, "utf-8")

    with pytest.raises(ConfigError, match="'session_minutes' must be more than zero"):
        plan_settings(settings)


def test_a_file_that_is_not_toml_gets_one_sentence(settings: Path) -> None:
    settings.write_bytes(b"[source\xff")
    with pytest.raises(ConfigError, match="not readable as TOML"):
        plan_settings(settings)


def test_lines_are_found_and_what_is_not_there_has_none() -> None:
    text = "a = 1\n[one] # first\n  a=2\n'b c' = 3\n[two]\na = 4\n"

    found = [line_of(text, *where) for where in (("one",), ("one", "a"), ("one", "b c"), ("two", "a"))]

    assert [2, 3, 4, 6] == found
    assert [0, 0, 0] == [line_of(text, *where) for where in (("three",), ("two", "b"), ("three", "a"))]


def test_the_new_file_has_mode_and_owner_of_the_old_one_and_a_link_stays(
    settings: Path, tmp_path: Path
) -> None:
    place = tmp_path / "etc.toml"
    settings.rename(place)
    settings.symlink_to(place)
    place.chmod(0o640)
    owner = (4321, 1234) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(place, *owner)

    with replacing_settings(settings, "new"):
        assert "new" != place.read_text("utf-8")

    status = place.stat()
    assert (b"new", 0o640, *owner) == (
        settings.read_bytes(),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
    )
    assert settings.is_symlink()
    assert [place.name] == [each.name for each in tmp_path.iterdir() if each.is_file()]


def test_if_the_upgrade_of_the_store_fails_the_old_settings_stay(settings: Path) -> None:
    before = settings.read_bytes()

    with pytest.raises(KeyError), replacing_settings(settings, "new"):
        raise KeyError

    assert before == settings.read_bytes()
    assert [settings] == list(settings.parent.iterdir())


KINDS = {"one machine": ONE_MACHINE, "server": SERVER, "workstation": WORKSTATION}
WITH_USUAL_VALUES = {"onion", "backup", "check"}


@pytest.mark.parametrize("kind", KINDS)
def test_sections_that_this_kind_of_machine_does_not_need_are_not_added(settings: Path, kind: str) -> None:
    settings.write_text(from_example(KINDS[kind], FINGERPRINT, {}), "utf-8")
    assert () == plan_settings(settings).added


@pytest.mark.parametrize("kind", KINDS)
def test_a_section_that_a_later_version_brought_is_added_as_set_up_writes_it(
    settings: Path, kind: str
) -> None:
    """Without it, `steunpunt backup` and `steunpunt onion` only said that a section is missing."""
    needed = [name for name in KINDS[kind] if name in WITH_USUAL_VALUES]
    older = [name for name in KINDS[kind] if name not in needed]
    settings.write_text(from_example(older, FINGERPRINT, {}) + "# the end\n", "utf-8")

    planned = plan_settings(settings)

    whole = from_example(KINDS[kind], FINGERPRINT, {})
    assert planned.text.startswith(settings.read_text("utf-8"))
    assert lines_of(whole) == lines_of(planned.text.replace("# the end\n", ""))
    keys = {f"{key} to [{name}]" for name in needed for key in tomllib.loads(whole)[name]}
    assert keys == {re.sub(r" = .* to ", " to ", each) for each in planned.added}


def lines_of(text: str) -> list[str]:
    """Return the lines in any order, without the random names of folders in memory."""
    return sorted(filter(None, re.sub("steunpunt-[0-9a-f]{16}", "", text).split("\n")))
