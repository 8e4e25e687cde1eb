"""Mail server on a booted machine, which takes one e-mail over TLS and writes the e-mail to a file."""

from pathlib import Path

from tests.deploy.sites.proxied_sites import certify
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.server_steps import bring

MAIL = "/srv/mail"
_NAME = "mail.example.org"
_AUTHORITY = "/usr/local/share/ca-certificates/test.crt"
_SINK = f"""
import socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/fullchain.pem", "/srv/privkey.pem")
more = "250-{_NAME}\\r\\n250 AUTH PLAIN"
answers = {{"EHLO": more, "AUTH": "235 hello", "DATA": "354 go on", "QUIT": "221 bye"}}
with socket.create_server(("127.0.0.1", 465)) as listener:
    with context.wrap_socket(listener.accept()[0], server_side=True) as secure, open("{MAIL}", "w") as mail:
        lines = secure.makefile("rw", newline="\\r\\n")
        said, in_mail = "220 {_NAME}", False
        while said[:3] != "221":
            if said:
                print(said, end="\\r\\n", file=lines, flush=True)
            line = lines.readline().strip()
            print(line, file=mail)
            if in_mail:
                in_mail = line != "."
                said = "" if in_mail else "250 taken"
            else:
                said = answers.get(line[:4].upper(), "250 ok")
                in_mail = said[:3] == "354"
        print(said, end="\\r\\n", file=lines, flush=True)
"""


def start_mail_server(machine: DebianMachine, folder: Path) -> None:
    """Start the mail server. The machine finds the server by its name, and trusts its certificate."""
    certify(folder, folder / "mail", _NAME)
    for name in ("fullchain.pem", "privkey.pem"):
        bring(machine, folder / "mail" / name)
    machine.does("mkdir", "--parents", str(Path(_AUTHORITY).parent))
    machine.does("tee", _AUTHORITY, text=(folder / "authority.pem").read_text("ascii"))
    machine.does("update-ca-certificates")
    machine.does("tee", "--append", "/etc/hosts", text=f"127.0.0.1 {_NAME}\n")
    machine.does("tee", "/srv/mail-server", text=_SINK)
    machine.does("systemd-run", "--unit=mail-server", "python3", "/srv/mail-server")
    machine.waits("systemctl is-active mail-server && grep -q ':01D1 ' /proc/net/tcp")
