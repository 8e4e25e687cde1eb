"""Each form of the adviser's site has limits, and the refusal shows the typed text again."""

from pathlib import Path

from tests.journalist_app.desk_factories import World
from tests.journalist_app.views.test_views import a_browser
from tests.pages import hooks
from web.form_limits import form_limits, small_form_bytes


def test_every_route_that_receives_a_form_declares_its_limits(world: World) -> None:
    app = a_browser(world).app
    with app.app_context():
        limits = {
            rule.endpoint: form_limits(rule.endpoint)
            for rule in app.url_map.iter_rules()
            if "POST" in (rule.methods or ())
        }

    assert [endpoint for endpoint, found in limits.items() if found is None] == []
    assert max(small_form_bytes(found) for found in limits.values() if found is not None) < 6_000_000


def test_no_field_lets_the_browser_cut_off_what_was_pasted() -> None:
    root = Path(__file__).parents[2]
    pages = [*root.glob("journalist_app/templates/**/*.html"), *root.glob("source_app/templates/**/*.html")]

    assert len(pages) > 50
    assert [page for page in pages if "maxlength" in page.read_text("utf-8")] == []


def test_a_note_over_the_limit_is_refused_and_shown_again(world: World) -> None:
    browser = a_browser(world)

    refused = browser.post("/reply-templates", {"token": "", "text": "do not lose me" * 100_000})

    assert refused.status_code == 413
    assert hooks(refused.text, "refusal") == ["too_large"]
    assert "do not lose me" * 1000 in refused.text
