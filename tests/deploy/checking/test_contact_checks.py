from datetime import date, timedelta
from pathlib import Path

import pytest

from deploy.checking.check_results import Level
from deploy.checking.contact_checks import make_contact_checks
from deploy.checking.machine_files import MachineSettings

LAST = date(2027, 3, 1)


def _settings(contact: str) -> MachineSettings:
    return MachineSettings(
        Path("config.toml"), {"source": {"security_contact": contact, "security_contact_until": LAST}}
    )


@pytest.mark.parametrize(
    ("days_left", "level"), [(31, Level.OK), (30, Level.WARNING), (0, Level.WARNING), (-1, Level.FAULT)]
)
def test_a_contact_does_not_expire_silently(days_left: int, level: Level) -> None:
    settings = _settings("mailto:security@example.org")

    (result,) = make_contact_checks(settings, LAST - timedelta(days_left))

    assert result.level is level
    assert str(LAST) in result.state
    assert bool(result.to_do) == (level is not Level.OK)


def test_a_site_without_a_contact_has_nothing_that_expires() -> None:
    assert make_contact_checks(_settings(""), LAST + timedelta(1)) == []
    assert make_contact_checks(MachineSettings(Path("config.toml"), {}), LAST) == []
