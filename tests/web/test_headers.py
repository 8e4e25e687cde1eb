"""Every response has the security headers, also error pages."""

import pytest
from flask import Flask, Response, abort

from web.headers import EVERY_ANSWER, FILE_CSP, install_headers


@pytest.fixture
def app() -> Flask:
    app = Flask("a_site")
    install_headers(app)

    @app.get("/page")
    def page() -> Response:
        response = Response("x", headers={"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
        response.set_etag("mark")
        return response

    @app.get("/file")
    def file() -> Response:
        return Response("x", headers={"Content-Security-Policy": FILE_CSP})

    @app.get("/broken")
    def broken() -> Response:
        abort(503)

    return app


@pytest.mark.parametrize("path", ["/page", "/nowhere", "/broken"])
def test_every_response_has_the_headers(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)

    assert dict(EVERY_ANSWER).items() <= dict(answer.headers).items()


def test_a_stylesheet_has_only_headers_that_have_an_effect_there(app: Flask) -> None:
    app.add_url_rule("/style.css", view_func=lambda: Response("x", mimetype="text/css"))

    headers = app.test_client().get("/style.css").headers

    assert not {"Permissions-Policy", "Cross-Origin-Opener-Policy"} & set(headers.keys())
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_response_has_a_header_that_can_recognise_a_visitor(app: Flask) -> None:
    answer = app.test_client().get("/page")

    assert not {"ETag", "Last-Modified", "Set-Cookie"} & set(answer.headers.keys())


def test_a_file_keeps_its_stricter_policy(app: Flask) -> None:
    assert app.test_client().get("/file").headers["Content-Security-Policy"] == FILE_CSP


def test_nothing_is_loaded_but_our_own_style() -> None:
    policy = EVERY_ANSWER["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
