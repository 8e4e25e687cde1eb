"""Attack: another site cannot make a browser post a form to us."""

import pytest

from web.origin import is_loopback, is_our_host, is_our_request, is_seen

OURS = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OURS},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": OURS},
    ],
)
def test_our_own_forms_and_text_browsers_may_post(headers: dict[str, str]) -> None:
    assert is_our_request("POST", headers, OURS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": "https://127.0.0.1:8080"},
        {"Origin": OURS + ".evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": OURS},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_form_of_another_site_is_refused(method: str, headers: dict[str, str]) -> None:
    assert not is_our_request(method, headers, OURS)


def test_a_link_from_another_site_may_be_followed() -> None:
    assert is_our_request("GET", {"Sec-Fetch-Site": "cross-site"}, OURS)


def test_only_our_own_host_is_accepted() -> None:
    assert is_our_host("127.0.0.1:8080", OURS)
    assert is_our_host("Desk.Example", "https://desk.example")
    assert not is_our_host("127.0.0.1:8081", OURS)
    assert not is_our_host("localhost:8080", OURS)
    assert not is_our_host(None, OURS)


def test_a_page_that_a_person_asked_for_is_seen() -> None:
    assert is_seen("GET", {"Sec-Fetch-Site": "none"})
    assert is_seen("POST", {})


@pytest.mark.parametrize("name", ["Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"])
def test_no_one_sees_a_page_that_a_browser_fetches_in_advance(name: str) -> None:
    assert not is_seen("GET", {name: "prefetch"})


def test_no_one_sees_the_answer_to_a_head_request() -> None:
    assert not is_seen("HEAD", {})


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "127.0.0.2:1", "[::1]:65535"])
def test_a_port_on_a_loopback_address_is_found(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1:80",
        "localhost:80",
        "127.0.0.1",
        "127.0.0.1:0",
        "[::1:80",
        "127.0.0.300:80",
        "[x]:80",
        "[1]:80",
    ],
)
def test_another_address_is_no_loopback_address(address: str) -> None:
    assert not is_loopback(address)
