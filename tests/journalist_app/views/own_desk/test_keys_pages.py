"""The pages about the desk's keys: nothing is added before it was typed back, and no page keeps a secret."""

import re

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from crypto.age.recovery_key import read_identity
from journalist_app.desk.new_key import NewSheet
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.desk_keys import change_slots
from report import pdf
from report.errors import PdfToolsMissingError
from store.database.keyring_backups import backup_status
from tests.journalist_app.desk_factories import PASSPHRASE, World
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser, token
from tests.pages import hooks


@pytest.fixture
def browser(world: World) -> AdviserBrowser:
    made = a_browser(world)
    made.unlock()
    return made


def _desk(browser: AdviserBrowser) -> OpenDesk:
    desk: OpenDesk = browser.app.extensions["auto_lock"]._desk
    return desk


def _posts(browser: AdviserBrowser, action: str, *, page: str = "/keys", **fields: str) -> TestResponse:
    return browser.post(action, {"token": token(browser.get(page), action), **fields})


def _draws(browser: AdviserBrowser, what: str, holder: str = "Tweede adviseur") -> str:
    made = _posts(browser, "/keys/new", what=what, holder=holder)
    assert "/keys/new" == made.headers["Location"]
    return browser.get("/keys/new").text


def _holders(browser: AdviserBrowser) -> list[str]:
    return [slot.holder for slot in _desk(browser).keyring.slots]


def test_a_drawn_passphrase_is_added_once_it_was_typed_back(browser: AdviserBrowser) -> None:
    page = _draws(browser, "drawn")
    found = re.search(r"data-drawn>([a-z ]+)<", page)
    assert found is not None
    wrong = _posts(browser, "/keys/use", page="/keys/new", typed="fout", secret=PASSPHRASE)
    assert (["not_typed_back"], 422) == (hooks(wrong.text, "refusal"), wrong.status_code)
    assert [""] == _holders(browser)

    _posts(browser, "/keys/use", page="/keys/new", typed=found[1], secret=PASSPHRASE)

    assert ["", "Tweede adviseur"] == _holders(browser)
    assert "Tweede adviseur" in browser.get("/keys").text
    assert found[1] not in browser.get("/keys/new").text


def test_whoever_finds_the_app_unlocked_cannot_add_a_passphrase_without_one(browser: AdviserBrowser) -> None:
    page = _draws(browser, "drawn")
    found = re.search(r"data-drawn>([a-z ]+)<", page)
    assert found is not None
    refused = _posts(browser, "/keys/use", page="/keys/new", typed=found[1], secret="geraden")
    assert ["closed"] == hooks(refused.text, "refusal")
    assert [""] == _holders(browser)


def test_a_sheet_is_downloaded_in_two_forms_and_added_with_one_word(browser: AdviserBrowser) -> None:
    _draws(browser, "sheet", "Kluis 3")
    new = _desk(browser).new_key
    assert isinstance(new, NewSheet)
    sheet = browser.get("/keys/sheet.txt")
    words = " ".join(re.findall(r"(?m)^ ?\d+\. ([a-z]+)$", sheet.text))
    assert read_identity(words) is not None
    assert browser.get("/keys/sheet.pdf").data.startswith(b"%PDF")
    assert "attachment" in sheet.headers["Content-Disposition"]

    word = new.sheet.seed_words[new.asked - 1]
    _posts(browser, "/keys/use", page="/keys/new", typed=word, secret=PASSPHRASE)

    assert ["", "Kluis 3"] == _holders(browser)
    assert 404 == browser.get("/keys/sheet.txt").status_code


def test_without_pango_the_text_is_offered(browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> bytes:
        raise PdfToolsMissingError

    monkeypatch.setattr("journalist_app.recovery_sheet.sheet_content.render_pdf", missing)
    assert pdf.render_pdf is not missing
    _draws(browser, "sheet", "Kluis 3")
    sent = browser.get("/keys/sheet.pdf")
    assert ["pdf"] == hooks(browser.get(sent.headers["Location"]).text, "refusal")


def test_a_chosen_passphrase_replaces_the_old_one_if_it_is_hard_to_guess(browser: AdviserBrowser) -> None:
    _draws(browser, "change-typed")
    for typed, again, reason in (("welkom", "welkom", "weak"), ("welkom", "welkon", "different")):
        fields = {"typed": typed, "again": again, "secret": PASSPHRASE}
        refused = _posts(browser, "/keys/use", page="/keys/new", **fields)
        assert [reason] == hooks(refused.text, "refusal")
        assert typed not in refused.text
    chosen = "vlieger zolder kabouter trommel wortel sneeuw"
    fields = {"typed": chosen, "again": chosen, "secret": PASSPHRASE}
    _posts(browser, "/keys/use", page="/keys/new", **fields)
    assert _desk(browser).keyring.slots[0].opens_with(chosen)
    assert not _desk(browser).keyring.slots[0].opens_with(PASSPHRASE)


def test_a_new_key_that_is_cancelled_is_forgotten(browser: AdviserBrowser) -> None:
    _draws(browser, "drawn")
    _posts(browser, "/keys/cancel", page="/keys/new")
    assert None is _desk(browser).new_key
    assert "/keys" == browser.get("/keys/new").headers["Location"]
    late = browser.post(
        "/keys/use", {"token": token(browser.get("/keys"), "/keys/new"), "secret": PASSPHRASE}
    )
    assert "/keys" == late.headers["Location"]


def test_a_name_is_needed(browser: AdviserBrowser) -> None:
    refused = _posts(browser, "/keys/new", what="sheet", holder=" ")
    assert (["holder"], 422) == (hooks(refused.text, "refusal"), refused.status_code)


def test_a_key_is_removed_with_a_passphrase_and_never_the_last_one(browser: AdviserBrowser) -> None:
    desk = _desk(browser)
    (first,) = (change_slots.slot_id(slot) for slot in desk.keyring.slots)
    assert f"/keys/remove/{first}" not in browser.get("/keys").text
    refused = _posts(browser, f"/keys/remove/{first}", page=f"/keys/remove/{first}", secret=PASSPHRASE)
    assert ["last"] == hooks(refused.text, "refusal")
    found = re.search(r"data-drawn>([a-z ]+)<", _draws(browser, "drawn"))
    assert found is not None
    _posts(browser, "/keys/use", page="/keys/new", typed=found[1], secret=PASSPHRASE)

    _posts(browser, f"/keys/remove/{first}", page=f"/keys/remove/{first}", secret=found[1])

    assert ["Tweede adviseur"] == _holders(browser)
    assert ["gone"] == hooks(browser.get(f"/keys/remove/{first}").text, "refusal")


def test_the_newest_backup_is_saved_and_confirmed_as_copied(browser: AdviserBrowser, world: World) -> None:
    assert ["here"] == hooks(browser.get("/keys").text, "backup")
    newest = backup_status(world.config.keyring_backups_path, world.config.keyring_path).newest
    assert newest is not None
    assert newest.path.read_bytes() == browser.get("/keys/backup").data
    _posts(browser, "/keys/copied", name="keyring-0000000000000000-1.age")
    assert ["here"] == hooks(browser.get("/keys").text, "backup")
    _posts(browser, "/keys/copied", name=newest.path.name)
    assert ["copied"] == hooks(browser.get("/keys").text, "backup")
    newest.path.unlink()
    assert ["missing"] == hooks(browser.get("/keys").text, "backup")
    assert 404 == browser.get("/keys/backup").status_code


def test_a_passphrase_that_was_typed_while_the_app_was_locked_is_not_stored(
    browser: AdviserBrowser, world: World
) -> None:
    _draws(browser, "change-typed")
    form = {"token": "x", "typed": "nieuwe geheime zin", "again": "nieuwe geheime zin", "secret": PASSPHRASE}
    browser.app.extensions["auto_lock"].close()
    answer = browser.post("/keys/use", form)
    assert "/unlock" in answer.headers["Location"]
    assert "kept" not in answer.headers["Location"]
    with world.store.reading() as session:
        assert 0 == session.scalar(text("SELECT COUNT(*) FROM record"))
