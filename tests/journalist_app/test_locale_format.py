import pytest
from flask import Flask
from flask_babel import Babel

from journalist_app.locale_format import format_file_size


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "0 B (empty)"),
        (999, "999 B"),
        (1000, "1 kB"),
        (2_500_000, "2,5 MB"),
        (10**9, "1 GB"),
        (10**15, "1.000 TB"),
    ],
)
def test_file_sizes_have_the_unit_that_people_use(size: int, written: str) -> None:
    app = Flask(__name__)
    Babel(app, default_locale="nl")

    with app.test_request_context():
        assert written == format_file_size(size)
