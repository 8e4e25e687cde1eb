from dataclasses import replace
from pathlib import Path

import pytest

from journalist_app.config import option_name, read_options
from journalist_app.errors import AdviserConfigError
from journalist_app.files.pinned_recipients import RecipientKey, recipient_faults
from tests.journalist_app.desk_factories import World


@pytest.mark.parametrize("bind", ["127.0.0.2:8081", "127.0.0.1:1", "[::1]:65535"])
def test_a_loopback_address_is_accepted(world: World, bind: str) -> None:
    assert replace(world.config, bind=bind).origin == f"http://{bind}"


@pytest.mark.parametrize(
    "bind",
    ["0.0.0.0:8081", "[::]:8081", "192.168.1.2:8081", "localhost:8081", "127.0.0.1", "127.0.0.1:0",
     "127.0.0.1:65536", "127.0.0.1:x", "unix:/run/adviser", "", "::1:8081", "[::1:8081", "::1]:8081",
     "[127.0.0.1]:8081 ", "127.0.0.1:\uff18081", "127.0.0.1:8081:8082", "127.0.0.1:8081 127.0.0.1:8082",
     "127.0.0.1:80_81", " 127.0.0.1:8081", "[::1%lo]:8081"],
)  # fmt: skip
def test_an_address_that_others_can_reach_is_refused(world: World, bind: str) -> None:
    with pytest.raises(AdviserConfigError, match="'bind'"):
        replace(world.config, bind=bind)


def test_one_message_names_every_fault(world: World) -> None:
    with pytest.raises(AdviserConfigError) as refused:
        replace(world.config, bind="x", themes={"X": {}}, public_floor=1, server="x")

    for name in ("bind", "themes", "public_floor", "server"):
        assert repr(name) in str(refused.value)


@pytest.mark.parametrize(
    "server",
    ["", "file", "onion:" + "a" * 56 + ".onion", "ssh:sync@server.example", "unix:/run/steunpunt/sync.sock"],
)
def test_a_server_is_this_machine_a_file_or_a_carrier(world: World, server: str) -> None:
    assert replace(world.config, server=server).server == server


@pytest.mark.parametrize(
    "server", ["files", "onion:abc.onion", "ssh:-oProxyCommand=x", "unix:sync.sock", "http://x"]
)
def test_any_other_server_is_refused(world: World, server: str) -> None:
    with pytest.raises(AdviserConfigError, match="'server'"):
        replace(world.config, server=server)


@pytest.mark.parametrize("socks", ["192.168.1.2:9050", "localhost:9050", ""])
def test_a_proxy_on_another_machine_is_refused(world: World, socks: str) -> None:
    with pytest.raises(AdviserConfigError, match="'socks'"):
        replace(world.config, socks=socks)


def test_an_option_list_is_read_with_names_in_both_languages() -> None:
    offered = read_options({"a_b": {"nl": "Iets", "en": "Something"}, "c": {"nl": "Iets, zoals dit"}})

    assert ("Iets", "Something") == (option_name(offered, "a_b", "nl"), option_name(offered, "a_b", "en"))
    assert "Iets, zoals dit" == option_name(offered, "c", "en")
    assert "gone" == option_name(offered, "gone", "nl")


@pytest.mark.parametrize(
    "names",
    [{"no key": {"en": "C"}}, {"A": {"en": "C"}}, {"a": {}}, {"a": {"en": " "}}, {"": {"en": "C"}},
     {"a": {"enn": "C"}}, {"a\n": {"en": "C"}}, {"a b": {"en": "C"}}, {"\uff41": {"en": "C"}}],
)  # fmt: skip
def test_an_option_list_with_a_fault_is_refused(names: dict[str, dict[str, str]]) -> None:
    with pytest.raises(AdviserConfigError):
        read_options(names)


@pytest.mark.parametrize(
    "name", ["\u3164", "SG\uffa0", "S\u115fG", "SG\u2800", "S\u034fG", "SG\ufe0f", "\u17b4SG", " "]
)
def test_a_name_of_a_recipient_hides_no_character(name: str) -> None:
    fitting = RecipientKey("sg", "Secretaris-generaal", "A" * 40, Path())

    assert list(recipient_faults([fitting])) == []
    (fault,) = recipient_faults([replace(fitting, name=name)])
    assert "'name' of one line of visible characters" in fault
