"""The source's site behind a real reverse proxy, in a chroot with a network of its own. Needs root."""

import ctypes
import datetime as dt
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench import desk_servers
from bench.browser import Browser
from bench.processes import listens
from deploy.serving.try_again_page import try_again_page
from tests.deploy.servers import ROOT, end, read_all
from tests.proofs.http_clients import SourceClient

ADDRESS = "mailbox.example.org"
VISITOR = "127.0.77.7"  # the address of every visitor
UPLOAD_BYTES = 12_000_000
SITES = ROOT / "deploy/debian/server/usr/share/steunpunt/sites"
_CADDY = [
    *("setpriv", "--reuid=caddy", "--regid=caddy", "--clear-groups"),
    *("--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", "env", "HOME=/var/lib/caddy"),
]
# For each reverse proxy: our file, where the operator puts this file, and the command of Debian's unit.
PROXIES = {
    "caddy": (
        "Caddyfile",
        "etc/caddy/Caddyfile",
        [*_CADDY, "caddy", "run", "--config", "/etc/caddy/Caddyfile"],
    ),
    "nginx": ("nginx.conf", "etc/nginx/nginx.conf", ["nginx", "-g", "daemon off;"]),
}
CERTIFICATE = f"etc/letsencrypt/live/{ADDRESS}"
_CLONE_NEWNET = 0x40000000
_KEY_CERT_SIGN = 5  # of the nine uses of a key, in the order of x509.KeyUsage


@dataclass(frozen=True, slots=True)
class ProxiedSite:
    """Running reverse proxy, and perhaps the source's site behind the proxy."""

    proxy: subprocess.Popen[bytes]
    folder: Path

    def connect(self, port: int) -> socket.socket:
        """Connect to a port in the network of the proxy, as a visitor."""
        made: list[socket.socket | OSError] = []

        def connect_inside() -> None:  # a thread can be in another network than its process
            with Path(f"/proc/{self.proxy.pid}/ns/net").open("rb") as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            client = socket.socket()
            client.settimeout(60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel reads little in advance
            try:
                client.bind((VISITOR, 0))
                client.connect(("127.0.0.1", port))
                made.append(client)
            except OSError as why:
                client.close()
                made.append(why)

        thread = threading.Thread(target=connect_inside)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def connect_safely(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
        """Connect with this version of TLS, and trust only the authority of the test."""
        context = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context.wrap_socket(self.connect(443), server_hostname=ADDRESS)

    def exchange(self, raw: bytes, port: int = 443) -> bytes:
        """Send a request with `Connection: close`, and return everything that the proxy sends back."""
        with self.connect(port) if port != 443 else self.connect_safely() as client:
            with suppress(OSError):  # the proxy may close the connection early, without TLS's last words
                client.sendall(raw)
                return read_all(client)
            return b""

    def visitor(self) -> SourceClient:
        """Return a source who has not visited the site yet."""
        source = SourceClient(ADDRESS, 80)  # the port is not named in the Host header
        source.browser = _SafeBrowser(self)
        return source

    def written(self) -> dict[str, bytes]:
        """Return the content of each file that the proxy wrote or has open, and its output."""
        files = list(Path(f"/proc/{self.proxy.pid}/root/../written").rglob("*"))
        workers = Path(f"/proc/{self.proxy.pid}/task/{self.proxy.pid}/children").read_text("ascii").split()
        for process in (str(self.proxy.pid), *workers):
            files += Path(f"/proc/{process}/fd").iterdir()
        return {str(path): path.read_bytes() for path in (*files, self.folder / "output") if path.is_file()}

    @contextmanager
    def mailbox(self, *, new_mailboxes_an_hour: int = 0) -> Iterator[None]:
        """Run the source's site in the network of the proxy."""
        limits = {"upload_bytes": UPLOAD_BYTES, "new_mailboxes_an_hour": new_mailboxes_an_hour}
        settings = desk_servers.set_up(self.folder / "var", limits).settings
        text = settings.read_text("utf-8").partition("[adviser]")[0]
        text = re.sub(r"(?m)^bind = .*$", 'bind = "127.0.0.1:8080"', text)
        settings.write_text(re.sub(r"(?m)^origin = .*$", f'origin = "https://{ADDRESS}"', text), "utf-8")
        enter = ["nsenter", f"--net=/proc/{self.proxy.pid}/ns/net", sys.executable, "-m", "deploy.cli.main"]
        with (self.folder / "mailbox").open("wb") as said:
            site = subprocess.Popen(
                [*enter, "--settings", settings, "run", "source"], stdout=said, stderr=said, cwd=ROOT
            )
        try:
            assert listens(site, lambda: self.connect(8080)), (self.folder / "mailbox").read_text()
            yield
        finally:
            end(site)


@contextmanager
def readable_by_all() -> Iterator[None]:
    """Make files that the proxy can read. A test before may have left the umask of our programs."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _start(folder: Path, proxy: str) -> "subprocess.Popen[bytes]":
    file, place, command = PROXIES[proxy]
    files = folder / "files"
    shutil.copytree(SITES, files / "usr/share/steunpunt/sites")
    (files / "usr/share/steunpunt/sites/try-again.html").write_text(try_again_page(), "utf-8")
    certify(folder, files / CERTIFICATE)
    text = (SITES / file).read_text("utf-8").replace("ADDRESS", ADDRESS)
    text = text.replace("\ttls {", f"\ttls /{CERTIFICATE}/fullchain.pem /{CERTIFICATE}/privkey.pem {{")
    (files / place).parent.mkdir(parents=True)
    (files / place).write_text(text, "utf-8")
    with (folder / "output").open("wb") as output:
        start = ["unshare", "--mount", "--net", Path(__file__).with_name("chroot.sh"), folder]
        return subprocess.Popen([*start, *command], stdout=output, stderr=output)


@contextmanager
def proxied_site(folder: Path, proxy: str) -> Iterator[ProxiedSite]:
    """Start a reverse proxy with our file and a certificate, as the operator's manual says."""
    with readable_by_all():
        process = _start(folder, proxy)
    try:
        site = ProxiedSite(process, folder)
        assert listens(process, lambda: site.connect(80)), (folder / "output").read_text()
        yield site
    finally:
        end(process)


class _SafeBrowser(Browser):
    def __init__(self, site: ProxiedSite) -> None:
        super().__init__(ADDRESS, 80)  # the Host header names no port
        self._site = site

    def _connect(self) -> socket.socket:
        return self._site.connect_safely()


def certify(authority: Path, folder: Path, name: str = ADDRESS) -> None:
    """Make an authority, and a certificate of this authority for a host name in `folder`."""
    folder.mkdir(parents=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root, own = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in ("a test", name))
    now = dt.datetime.now(dt.UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, *more: x509.ExtensionType
    ) -> bytes:
        made = x509.CertificateBuilder(root, subject, public, x509.random_serial_number())
        made = made.not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(9))
        for each in more:
            is_critical = isinstance(each, x509.BasicConstraints | x509.KeyUsage)
            made = made.add_extension(each, critical=is_critical)
        signed = made.sign(authority_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    # Python 3.13 refuses certificates that do not name the keys, or an authority that may not sign.
    root_key = authority_key.public_key()
    may_sign = x509.KeyUsage(*(use == _KEY_CERT_SIGN for use in range(9)))
    is_authority = x509.BasicConstraints(ca=True, path_length=0), may_sign
    names_key = x509.SubjectKeyIdentifier.from_public_key(root_key)
    (authority / "authority.pem").write_bytes(certificate(root, root_key, *is_authority, names_key))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key)
    (folder / "fullchain.pem").write_bytes(certificate(own, key.public_key(), names, signer))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "privkey.pem").write_bytes(secret)
