from tests.journalist_app.conftest import no_check_by_itself
from tests.proofs.proof_sizes import IS_WHOLE

__all__ = ["no_check_by_itself"]

# In `make test`, tests/store/dialect/test_postgresql_standby.py freezes a server.
collect_ignore = [] if IS_WHOLE else ["test_frozen_database.py"]
