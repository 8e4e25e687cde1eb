import pytest

from tests.deploy.servers import free_address
from tests.deploy.two_machines import TwoMachineDesk, a_desk
from tests.proofs.packages.package_builds import BuildRoot, Debian, Packages, install_debian
from tests.proofs.proof_sizes import IS_WHOLE
from web.dates import utc_today

# Only `make prove` runs these proofs: to install a Debian and to build packages in this Debian takes minutes.
_LONG = ("older_commit", "same_packages", "server_on_postgresql", "server_package", "workstation_package")
collect_ignore = [] if IS_WHOLE else ["units", *(f"test_{name}.py" for name in _LONG)]


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Debian:
    """A release of Debian for which we make packages: Debian 12 and Debian 13."""
    return install_debian(request.param, tmp_path_factory.mktemp("debian") / request.param)


@pytest.fixture(scope="session")
def build_root(debian: Debian, tmp_path_factory: pytest.TempPathFactory) -> BuildRoot:
    return BuildRoot(debian, tmp_path_factory.mktemp("build") / debian.release)


@pytest.fixture(scope="session")
def packages(build_root: BuildRoot) -> Packages:
    """The packages of the newest commit, built in the Debian release on which tests install them."""
    return build_root.build("project")


@pytest.fixture(scope="module")
def desk(debian: Debian, tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    """A desk for each release of Debian: a pouch for one machine has nothing from the machine before it."""
    made = a_desk(tmp_path_factory.mktemp(f"desk-{debian.release}"))
    # `workstation pair` refuses to run while the address of the adviser's interface is in use here.
    address = "{}:{}".format(*free_address())
    text = made.first.settings.read_text("utf-8")
    made.first.settings.write_text(text.replace("127.0.0.2:8081", address), "utf-8")
    # A program refuses to start long after the newest letterhead.
    made.publishes(made.first, issued=utc_today())
    return made
