import pytest

from tests.proofs.packages.package_builds import Packages, build_packages, clone_project
from tests.proofs.proof_sizes import IS_WHOLE

# These proofs build packages, which takes minutes. So only `make prove` runs them.
collect_ignore = [] if IS_WHOLE else ["test_same_packages.py"]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The Debian packages of the newest commit."""
    return build_packages(clone_project(tmp_path_factory.mktemp("first") / "project"))
