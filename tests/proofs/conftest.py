from tests.journalist_app.conftest import begin_at_once

__all__ = ["begin_at_once"]
