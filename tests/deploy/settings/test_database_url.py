"""The address of a database contains no secret, is complete, and leads over no readable connection."""

from pathlib import Path

import pytest

from deploy.errors import ConfigError
from deploy.settings.database_url import read_server_place
from store.database.engine import ServerPlace

PATH = Path("/var/lib/steunpunt/store.db")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://steunpunt_source@/steunpunt?host=/run/postgresql",
        "postgresql://steunpunt_source@/steunpunt?host=/run/postgresql&port=5433&passfile=/etc/steunpunt/pass",
        "postgresql://s@/d?host=db1.example.org,db2.example.org&port=5432,5433&sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://s@/d?host=db.example.org&sslmode=verify-full&sslrootcert=/etc/ca.pem",
    ],
)
def test_an_address_without_a_secret_is_used_as_it_is(url: str) -> None:
    assert ServerPlace(url, PATH) == read_server_place(url, PATH)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:canary@/d?host=/run",
        "postgresql://user:@/d?host=/run",
        "postgresql://user@/d?host=/run&password=canary",
        "postgresql://user@/d?host=/run&passwor%64=canary",
        "postgresql://user@/d?host=/run&sslpassword=canary",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="password") as caught:
        read_server_place(url, PATH)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgres://user@/d?host=/run",
        "postgresql:///d?host=/run",
        "postgresql://@/d?host=/run",
        "postgresql://user@canary/d?host=/run",
        "postgresql://us@er@/d?host=/run",
        "postgresql://user@/?host=/run",
        "postgresql://user@/d",
        "postgresql://user@/d/e?host=/run",
        "postgresql://user@/d?host=",
        "postgresql://user@/d?host=/run&host=/canary",
        "postgresql://user@/d?host=/run&options=-c%20role%3Dcanary",
        "postgresql://user@/d?host=/run&service=canary",
        "postgresql://user@/d?host=/run&passfile=",
        "postgresql://user@/d?host=/run&canary",
        "postgresql://user@/d?host=/run#canary",
        "postgresql://user@/d?host=/run\n",
        "postgresql://user@/d\u200b?host=/run",
        "postgresql://[user@/d?host=/run",
        "host=/run user=user dbname=d",
    ],
)
def test_an_address_of_another_form_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="must be postgresql://") as caught:
        read_server_place(url, PATH)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("more", ["", "prefer", "require", "verify-ca&sslrootcert=/ca.pem", "verify-full"])
@pytest.mark.parametrize("host", ["db.example.org", "127.0.0.1", "/run,db.example.org", "@abstract"])
def test_a_server_on_a_network_is_refused_without_a_checked_certificate(host: str, more: str) -> None:
    mode = f"&sslmode={more}" if more else ""
    with pytest.raises(ConfigError, match="sslmode=verify-full, and sslrootcert"):
        read_server_place(f"postgresql://user@/d?host={host}{mode}", PATH)


def test_an_address_is_in_no_text_of_a_place() -> None:
    place = read_server_place("postgresql://canary@/canary?host=/run", PATH)
    assert "canary" not in f"{place} {place!r}"
