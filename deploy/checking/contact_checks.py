"""Check of the contact for weaknesses of the site, which counts until a day in the settings."""

from datetime import date

from deploy.checking.check_results import CheckResult, Level
from deploy.checking.machine_files import MachineSettings

_LAST_DAYS = 30
_RENEW = "Make sure that someone reads the contact, and change 'security_contact_until' under [source]."


def make_contact_checks(settings: MachineSettings, today: date) -> list[CheckResult]:
    """Check whether the last day of the contact for weaknesses is near or has passed.

    If the settings name no contact, the list is empty.
    """
    until = settings.sections.get("source", {}).get("security_contact_until")
    if not settings.text("source", "security_contact") or not isinstance(until, date):
        return []
    state = f"The last day of the site's contact for weaknesses (security.txt) is {until}."
    days = (until - today).days
    if days > _LAST_DAYS:
        return [CheckResult("contact", Level.OK, state)]
    return [CheckResult("contact", Level.FAULT if days < 0 else Level.WARNING, state, _RENEW)]
