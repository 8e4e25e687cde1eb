from tests.journalist_app.conftest import no_check_by_itself

__all__ = ["no_check_by_itself"]
