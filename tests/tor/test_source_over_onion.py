"""A source uses the onion service, from the first page to the answer, on a private Tor network."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from bench.tor_network import Tor, TorNetwork
from deploy.onion.control import PublishedService, connect_to_tor, fetch_published
from tests import source_labels as labels
from tests.browser.keyboard import choose, fetch, fill, follow, press
from tests.browser.user_actions import come_back, sees, start_mailbox, write
from tests.pages import hooks
from tests.proofs.http_clients import SourceClient, file_links, multipart
from tests.tor.onion_sites import (
    NoAnswerError,
    OnionBrowser,
    OnionSite,
    fetch_once,
    start_workstation_tor,
    wait_for_answer,
)

pytestmark = pytest.mark.slow

Visit = Callable[[], BrowserContext]


def test_the_onion_answers_and_sends_no_onion_location(site: OnionSite, client: Tor) -> None:
    answer = wait_for_answer(client, site.host, "/en/help")

    head, _, page = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"onion-location" not in head.lower()
    assert site.url.encode() in page


def test_the_public_descriptor_has_the_proof_of_work_and_no_single_hop(site: OnionSite, client: Tor) -> None:
    with connect_to_tor(f"unix:{client.control_socket}") as controller:
        found = fetch_published(controller, site.host, seconds=120)

    assert found == PublishedService(defends_by_work=True, is_single_hop=False)


def test_the_descriptor_check_can_fail(client: Tor, network: TorNetwork, short_folder: Path) -> None:
    """The check can tell a service without the proof-of-work defence from a service with it."""
    folder = short_folder / "weak"
    tor = network.add(
        "weak", [f"HiddenServiceDir {folder}", f"HiddenServicePort 80 unix:{short_folder}/none"]
    )
    tor.start()
    host = (folder / "hostname").read_text().strip()
    tor.wait_until_bootstrapped()

    with connect_to_tor(f"unix:{client.control_socket}") as controller:
        found = fetch_published(controller, host, seconds=120)
    tor.stop()

    assert found == PublishedService(defends_by_work=False, is_single_hop=False)


def test_from_the_first_page_to_the_answer_with_tor_killed_in_between(
    site: OnionSite, client: Tor, visit: Visit, tmp_path: Path
) -> None:
    wait_for_answer(client, site.host)
    video = tmp_path / "video.mp4"
    video.write_bytes(os.urandom(50_000_000))
    source = visit()
    page = source.new_page()

    passphrase = start_mailbox(page, site.url)
    assert [(cookie["name"], cookie["secure"]) for cookie in source.cookies()] == [("mailbox", False)]
    fill(page, labels.MESSAGE, "I write over Tor.")
    choose(page, labels.FILES, [video])
    press(page, labels.SEND)
    sees(page, "page", "mailbox/received")
    follow(page, labels.TO_MAILBOX)
    expect(page.get_by_text("I write over Tor.")).to_be_visible()

    # A power failure: Tor is killed and started again.
    site.tor.kill()
    site.tor.start()
    wait_for_answer(client, site.host)

    again = visit().new_page()
    come_back(again, site.url, passphrase)
    expect(again.get_by_text("I write over Tor.")).to_be_visible()
    kept = fetch(again, "video.mp4", tmp_path / "fetched")
    assert hashlib.sha256(kept).digest() == hashlib.sha256(video.read_bytes()).digest()
    follow(again, labels.WRITE)
    write(again, "And once more.")
    expect(again.get_by_text("And once more.")).to_be_visible()


def _slowly(body: bytes) -> Iterator[bytes]:
    """Yield a body at 20 kB a second."""
    for start in range(0, len(body), 2_000):
        yield body[start : start + 2_000]
        time.sleep(0.1)


def test_an_honest_upload_at_20_kb_a_second_over_tor_is_kept(site: OnionSite, client: Tor) -> None:
    wait_for_answer(client, site.host)
    photo = os.urandom(200_000)
    with SourceClient(site.host, 80) as source:
        source.browser = OnionBrowser(client, site.host)
        source.open_mailbox()
        form = source.write_form()
        media_type, body = multipart({**form.hidden, "text": "A slow line."}, {"photo.png": photo})

        answer = source.browser.post(form.action, media_type, _slowly(body), len(body))
        receipt = source.browser.follow(answer)
        (path,) = file_links(source.thread_page()).values()
        kept = source.browser.get(path)

    assert answer.location.endswith("/" + form.hidden["entry_id"])
    assert (receipt.status, hooks(receipt.body.decode(), "page")) == (200, ["mailbox/received"])
    assert kept.body == photo


def test_the_onion_for_sync_published_by_tor_itself_needs_a_key(
    site: OnionSite, client: Tor, network: TorNetwork
) -> None:
    workstation = start_workstation_tor(network, "desk", site.sync_key.private_line(site.sync_host))

    served = wait_for_answer(workstation, site.sync_host)
    with pytest.raises(NoAnswerError, match="SOCKS"):
        fetch_once(client, site.sync_host)
    workstation.stop()

    assert served.startswith(b"HTTP/1.1 404")  # it accepts only pouches


def _onion_levels(site: OnionSite) -> set[str]:
    """Return the levels of the results about Tor and the onion services, as `steunpunt check` prints them."""
    results = json.loads(site.run("check", "--json").stdout)["results"]
    return {each["level"] for each in results if each["check"] == "onion"}


def test_check_reports_a_tor_that_is_gone_and_that_it_is_back(site: OnionSite, client: Tor) -> None:
    wait_for_answer(client, site.host)
    site.tor.stop()
    without = _onion_levels(site)
    site.tor.start()
    wait_for_answer(client, site.host)

    assert {"fault"} == without
    assert {"ok"} == _onion_levels(site)


def test_status_reports_that_all_is_well(site: OnionSite, client: Tor) -> None:
    wait_for_answer(client, site.host)

    said = site.run("onion", "status")

    names = ", ".join(sorted(["desk-1", site.desk.keyring.strand.id.hex()]))
    assert (said.returncode, said.stderr) == (0, "")
    assert f"The source's onion, {site.url}, is published." in said.stdout
    assert "proof-of-work defence is on" in said.stdout
    assert "open only with a workstation's key" in said.stdout
    assert f"Workstations that may connect: {names}." in said.stdout
    assert "Do this" not in said.stdout
