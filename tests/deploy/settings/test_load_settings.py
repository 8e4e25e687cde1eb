import re
from pathlib import Path

import pytest

from deploy.errors import ConfigError
from deploy.settings.load_settings import DeskConfig, load_config
from deploy.settings.onion_settings import OnionConfig
from journalist_app.config import AdviserConfig
from source_app.config import SourceConfig

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
SHAPES = {"desk": DeskConfig, "source": SourceConfig, "adviser": AdviserConfig, "onion": OnionConfig}
CANARY = "zwartekanarie"


def _with(folder: Path, *changes: tuple[str, str]) -> Path:
    text = EXAMPLE.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("section", "shape"), SHAPES.items(), ids=SHAPES)
def test_the_example_documents_every_setting_and_can_be_read(section: str, shape: type) -> None:
    load_config(EXAMPLE, section, shape)


def test_every_key_of_the_example_has_a_comment_above_its_block() -> None:
    blocks = [b.strip().splitlines() for b in EXAMPLE.read_text("utf-8").split("\n\n") if b.strip()]

    undocumented = [block[0] for block in blocks if not block[0].startswith(("#", "[", "store_path"))]

    assert undocumented == []


def test_the_example_speaks_dutch_to_one_person_and_plainly() -> None:
    desk = load_config(EXAMPLE, "desk", DeskConfig)
    said = " ".join([desk.talk["nl"], *desk.secrecy_limits["nl"]])

    assert re.findall(r"\b(?:u|uw)\b", said.lower()) == []
    assert [each for each in re.split(r"(?<=[.?]) ", said) if len(each.split()) > 25] == []


def test_paths_start_at_the_folder_of_the_settings(tmp_path: Path) -> None:
    config = load_config(_with(tmp_path), "adviser", AdviserConfig)

    assert config.keyring_path == tmp_path / "keyring.age"


def test_one_message_names_every_fault_and_no_value(tmp_path: Path) -> None:
    path = _with(
        tmp_path,
        ('keyring_path = "keyring.age"', f"keyring_path = 7\n{CANARY} = 1"),
        ('bind = "127.0.0.2:8081"', f'bind = "{CANARY}:80"'),
        ("idle_minutes = 15", "idle_minutes = 0"),
        ('trusted_state_path = "trusted-state.age"\n', ""),
    )

    with pytest.raises(ConfigError) as refusal:
        load_config(path, "adviser", AdviserConfig)

    said = str(refusal.value)
    faults = ("'keyring_path'", f"unknown key '{CANARY}'", "'bind'", "'idle_minutes'", "'trusted_state_path'")
    assert [fault for fault in faults if fault not in said] == []
    assert said.count(CANARY) == 1  # as the name of a key, not as the value of another


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("source", "workers = 2", "workers = true"),
        ("source", "workers = 2", "workers = 2.0"),
        ("source", "threads = 16", "threads = -1"),
        ("source", 'bind = "127.0.0.1:8080"', 'bind = "0.0.0.0:8080"'),
        ("source", 'bind = "127.0.0.1:8080"', 'bind = "127.0.0.1:99999"'),
        ("source", 'bind = "127.0.0.1:8080"', 'bind = "localhost:8080"'),
        ("source", 'origin = "http://127.0.0.1:8080"', 'origin = "http://127.0.0.1:8080/"'),
        ("source", 'origin = "http://127.0.0.1:8080"', 'origin = "http://127.0.0.1:8080:8081"'),
        ("source", 'origin = "http://127.0.0.1:8080"', 'origin = "http://127.0.0.1:8080 http://a.example"'),
        ("source", 'origin = "http://127.0.0.1:8080"', 'origin = "http://127.0.0.1:\u0668\u0660"'),
        ("source", 'origin = "http://127.0.0.1:8080"', 'origin = "http://[::1"'),
        ("source", "session_minutes = 30", 'session_minutes = "30 minutes"'),
        ("source", "session_minutes = 30", "session_minutes = [30, 60]"),
        ("source", "session_minutes = 30", "session_minutes = 30.5"),
        ("source", 'where_conduct.nl = ""', 'where_conduct.nll = ""'),
        ("source", 'fingerprint = "RWQA', 'fingerprint = "RWQ'),
        ("source", 'leave_url = "https://', 'leave_url = "http://'),
        ("source", 'where_conduct.nl = ""', f'where_conduct.nl = "{"x" * 201}"'),
        ("source", 'where_integrity.en = ""', 'where_integrity.en = "one\\ntwo"'),
        ("source", 'where_complaints.en = ""', 'where_complaints.en = "\\u202ereversed"'),
        ("source", 'languages = ["en", "nl",', 'languages = []  # ["en", "nl",'),
        ("source", 'languages = ["en", "nl",', 'languages = ["en", "en",'),
        ("source", 'languages = ["en", "nl",', 'languages = ["en", "qq",'),
        ("source", 'where_conduct.nl = ""', "where_conduct.nl = 1"),
        ("adviser", "themes.bullying = {", 'themes.bullying = "Pesten" # {'),
        ("adviser", "themes.bullying = {", "themes.bullying = {} # {"),
        ("source", 'store_path = "store.db"', 'store_path = ""'),
        ("source", 'store_path = "store.db"', 'store_path = "postgresql://user@/store"'),
        ("source", 'store_path = "store.db"', 'store_path = "postgres://user@host:5432/store"'),
        ("source", 'onion_socket = ""', 'onion_socket = "/run/steun punt/source.sock"'),
        ("source", 'onion_socket = ""', 'onion_socket = "source.sock"'),
        ("source", 'onion_socket = ""', 'onion_socket = "unix:/run/source.sock"'),
        ("source", 'onion_socket = ""', f'onion_socket = "/{"x" * 107}"'),
        ("source", 'onion_socket = ""', 'onion_socket = "/run/a\\nHiddenServiceSingleHopMode 1"'),
        ("source", 'onion_host = ""', 'onion_host = "http://example.onion"'),
        ("source", 'onion_host = ""', f'onion_host = "{"a" * 56}.onion"'),
        ("source", "tells_onion = false", 'tells_onion = "yes"'),
        ("onion", 'sync_socket = ""', 'sync_socket = "/run/steun punt/sync.sock"'),
        ("onion", 'proxy_socket = ""', 'proxy_socket = "proxy.sock"'),
        ("onion", 'way = "torrc"', 'way = "both"'),
        ("onion", 'control = "unix:/run/tor/control"', 'control = "10.0.0.1:9051"'),
        ("onion", 'folder = "/var/lib/tor"', 'folder = ""'),
        ("adviser", 'bind = "127.0.0.2:8081"', 'bind = "192.168.1.4:8081"'),
        ("adviser", "retention_spread_days = 7", "retention_spread_days = -1"),
        ("source", "reserve_bytes = 2_000_000_000", "reserve_bytes = -1"),
        ("desk", "working_days = [0, 1, 3]", "working_days = [0, 0]"),
        ("desk", "working_days = [0, 1, 3]", "working_days = [7]"),
        ("desk", "working_days = [0, 1, 3]", "working_days = []"),
        ("desk", "working_days = [0, 1, 3]", 'working_days = ["maandag"]'),
        ("desk", "closed_days = []", 'closed_days = ["2026-12-25"]'),
        ("desk", "closed_days = []", "closed_days = [2026-12-25T00:00:00]"),
        ("desk", "closed_days = []", "closed_days = 2026-12-25"),
        ("desk", 'name.nl = "Extern steunpunt integriteit"', 'name.nl = " "'),
        ("desk", 'name.nl = "Extern steunpunt integriteit"', 'name.nll = "Extern steunpunt integriteit"'),
        ("desk", "talk.nl = ", "talk.nll = "),
        ("desk", "secrecy_limits.nl = ", "secrecy_limits.nll = "),
        ("desk", 'name.nl = "Extern steunpunt integriteit"', 'name.nl = "Steunpunt\u3164"'),
        ("desk", 'workstation_name = "', 'workstation_name = "\u2800'),
    ],
)
def test_a_setting_with_a_wrong_value_is_refused(tmp_path: Path, section: str, old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=re.split(r"[ .]", old, maxsplit=1)[0]):
        load_config(_with(tmp_path, (old, new)), section, SHAPES[section])


def test_an_onion_may_be_named(tmp_path: Path) -> None:
    host = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"
    path = _with(
        tmp_path,
        ('onion_host = ""', f'onion_host = "{host}"'),
        ('onion_socket = ""', 'onion_socket = "/run/steunpunt/source.sock"'),
    )

    config = load_config(path, "source", SourceConfig)

    assert (config.onion_host, config.onion_socket) == (host, "/run/steunpunt/source.sock")


def test_a_unix_socket_may_be_named(tmp_path: Path) -> None:
    path = _with(tmp_path, ('bind = "127.0.0.1:8080"', 'bind = "unix:/run/steunpunt/source.sock"'))

    assert load_config(path, "source", SourceConfig).bind == "unix:/run/steunpunt/source.sock"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[source", b"source = 1", b"[sauce]\n", b"[source]\n[sauce]\n", b"a=" + b"[" * 9999],
)
def test_a_file_in_another_form_gets_one_sentence(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(raw)

    with pytest.raises(ConfigError, match=r"config\.toml: [^\n]+\.$"):
        load_config(path, "source", SourceConfig)


def test_a_missing_file_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run steunpunt setup"):
        load_config(tmp_path / "none.toml", "source", SourceConfig)
