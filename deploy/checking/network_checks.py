"""Checks over the network: Tor and the onion services, and the headers of the site at its visitors."""

import http.client
import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

from python_socks import ProxyError
from python_socks.sync import Proxy

from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings
from deploy.errors import TorAwayError
from deploy.onion.onion_status import check_onion_status
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from web.headers import EVERY_ANSWER

_RIGHT_USER = (
    "Run this as root, or as a user who may use Tor's control port (Debian: in the group debian-tor)."
)
_PATH = "/"
_SECONDS = 60
_HTTP_PORT = 80
_ONION = "onion:"
# Headers that our site never sends: a proxy added them. The last three could recognise a visitor.
_NEVER = ("content-encoding", "via", "set-cookie", "etag", "last-modified")
_YEAR = 365 * 24 * 60 * 60


def make_network_checks(settings: MachineSettings) -> list[CheckResult]:
    """Return the results of the checks of Tor and of the site, if this machine uses them."""
    results = []
    if settings.text("source", "onion_socket") and "onion" in settings.sections:
        results += made_or_unknown("onion", lambda: _onion(settings), _RIGHT_USER)
    if (server := settings.text("adviser", "server")).startswith(_ONION):
        host, socks = server.removeprefix(_ONION), settings.text("adviser", "socks")
        results += made_or_unknown("server", lambda: _server(host, socks), _RIGHT_USER)
    if origin := settings.text("source", "origin"):
        results += made_or_unknown("site", lambda: check_site(origin), "Check the 'origin' under [source].")
    return results


def _onion(settings: MachineSettings) -> Iterator[CheckResult]:
    config = load_config(settings.path, "onion", OnionConfig)
    host, socket = (settings.text("source", key) for key in ("onion_host", "onion_socket"))
    try:
        lines = check_onion_status(config, onion_host=host, source_socket=config.source_socket(socket))
    except TorAwayError as why:
        yield CheckResult("onion", Level.FAULT, "Tor does not answer.", str(why))
        return
    for line in lines:
        yield CheckResult("onion", Level.FAULT if line.to_do else Level.OK, line.state, line.to_do)


def _server(host: str, socks: str) -> Iterator[CheckResult]:
    """Check that the server's onion service can be reached through Tor."""
    try:
        Proxy.from_url(f"socks5://{socks}", rdns=True).connect(host, _HTTP_PORT, timeout=_SECONDS).close()
    except (OSError, ProxyError):
        state = "The server's onion service cannot be reached through Tor."
        advice = "Check that Tor runs here and on the server, and that its key is where Tor reads it."
        yield CheckResult("server", Level.FAULT, state, advice)
    else:
        yield CheckResult("server", Level.OK, "The server's onion service can be reached through Tor.")


def check_site(origin: str) -> Iterator[CheckResult]:
    """Fetch a public page at the address that visitors use, and check that its headers are ours."""
    place = urlsplit(origin)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    try:
        with closing(kind(place.netloc, timeout=_SECONDS)) as connection:
            connection.request("GET", _PATH, headers={"Accept-Encoding": "gzip, deflate, br"})
            answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as why:
        state = f"The site cannot be reached at {origin} ({type(why).__name__})."
        yield CheckResult("site", Level.FAULT, state, "Start the source's interface, and the reverse proxy.")
        return
    if answer.status != http.client.OK:
        state = f"The site answers {answer.status} at {origin}."
        advice = "The proxy must pass on the Host header unchanged, and 'origin' must be what visitors type."
        yield CheckResult("site", Level.FAULT, state, advice)
        return
    changed = [name for name, value in EVERY_ANSWER.items() if answer.headers.get_all(name) != [value]]
    added = [name for name in _NEVER if name in answer.headers]
    for names, what in ((changed, "changes or removes"), (added, "adds")):
        if names:
            state = f"Between the site and its visitors, a program {what} headers: {', '.join(names)}."
            yield CheckResult("site", Level.FAULT, state, "See 'Put a reverse proxy in front' in the manual.")
    weak = list(_weak_https(place.netloc, answer)) if place.scheme == "https" else []
    for what in weak:
        state = f"The reverse proxy at {origin} {what}."
        yield CheckResult("site", Level.FAULT, state, "See 'Put a reverse proxy in front' in the manual.")
    if not (changed or added or weak):
        yield CheckResult("site", Level.OK, f"The site at {origin} has the headers that it sends.")


def _weak_https(netloc: str, answer: http.client.HTTPResponse) -> Iterator[str]:
    age = re.match(r"max-age=(\d+)", answer.headers.get("Strict-Transport-Security", ""))
    if age is None or int(age[1]) < _YEAR:
        yield "does not tell browsers to use only https for at least a year (Strict-Transport-Security)"
    older = ssl.create_default_context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with closing(http.client.HTTPSConnection(netloc, timeout=_SECONDS, context=older)) as connection:
            connection.connect()
    except OSError:  # as it should be
        return
    yield "accepts TLS 1.2"
