"""Address of a database on a PostgreSQL server, which contains no secret."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from deploy.errors import ConfigError
from store.database.engine import ServerPlace

_OPTIONS = frozenset(
    ("host", "passfile", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs")
)
_SECRETS = frozenset(("password", "sslpassword"))
_OTHER_FORM = (
    "The address of the database must be postgresql://USER@/DATABASE?host=FOLDER. FOLDER has the server's "
    f"Unix socket. Other options are: {', '.join(sorted(_OPTIONS - {'host'}))}."
)
_READABLE_BY_OTHERS = (
    "The address of the database must not contain a password, which others could read. Let the server "
    "identify the user of the Unix socket (peer), or name a file with the password (passfile)."
)
_READABLE = (
    "The address of a database server that is not at a Unix socket needs sslmode=verify-full, and "
    "sslrootcert with the file of the authority's certificate. Otherwise, others could read and change what "
    "is sent."
)


def read_server_place(url: str, path: Path) -> ServerPlace:
    """Return the place of a store on a PostgreSQL server. `path` is that of this machine's notes.

    Raises:
        ConfigError: the URL has another form, contains a password, or names a server on a network without
            `sslmode=verify-full` and `sslrootcert`. The message does not contain the URL.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    except ValueError as why:
        raise ConfigError(_OTHER_FORM) from why
    options = dict(given)
    if ":" in parts.netloc or options.keys() & _SECRETS:
        raise ConfigError(_READABLE_BY_OTHERS)
    # libpq would replace a part that is missing by an environment variable, such as PGUSER.
    has_form = (
        url.startswith("postgresql://")
        and all("!" <= char <= "~" for char in url)
        and len(parts.netloc) > 1
        and parts.netloc.find("@") == len(parts.netloc) - 1
        and parts.path.count("/") == 1
        and len(parts.path) > 1
        and {"host"} <= options.keys() <= _OPTIONS
        and all(options.values())
        and len(options) == len(given)
        and not parts.fragment
    )
    if not has_form:
        raise ConfigError(_OTHER_FORM)
    is_checked = options.get("sslmode") == "verify-full" and "sslrootcert" in options
    if not is_checked and not all(host.startswith("/") for host in options["host"].split(",")):
        raise ConfigError(_READABLE)
    return ServerPlace(url, path)
