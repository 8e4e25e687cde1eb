"""Round trips of one form, one post and one receipt to PostgreSQL, counted, because time is not steady."""

import pytest

from store.dialect import postgresql
from tests.source_app.desks import MULTIPART, ADesk, multipart

PAGE = "/en/mailbox/write"


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("postgresql")
def test_a_form_a_post_and_a_receipt_wait_for_few_answers_of_the_server(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []
    driver = postgresql._Driver
    for name in ("execute", "commit"):

        def noting(
            self: object, *given: object, name: str = name, real: object = getattr(driver, name)
        ) -> object:
            waits.append(name)
            return real(self, *given)  # type: ignore[operator]

        monkeypatch.setattr(driver, name, noting)
    source = a_desk.browser()
    source.start()
    source.write("the first message")

    waits.clear()
    form = source.get(PAGE)
    assert len(waits) <= 4

    body = multipart({**source.hidden(form, PAGE), "text": "one more message"}, [])
    waits.clear()
    sent = source.client.post(PAGE, data=body, content_type=MULTIPART)
    assert sent.status_code == 303
    assert len(waits) <= 14
    assert "commit" == waits[-1]  # what is acknowledged is on the disk

    waits.clear()
    assert source.get(sent.location).status_code == 200
    assert len(waits) <= 9
