"""Sizes of the proofs: small in `make test`, full in `make prove`."""

import os

IS_WHOLE = os.environ.get("STEUNPUNT_PROVE") == "whole"

KILLS = 200 if IS_WHOLE else 8
CLIENTS = 4 if IS_WHOLE else 2  # clients that write while the server is killed, and log in again after it
LOAD_SECONDS = 120 if IS_WHOLE else 12
MUTATIONS = 2_000 if IS_WHOLE else 44  # of OpenPGP and age inputs
FLOOD_ATTACKERS = 200 if IS_WHOLE else 40
FLOOD_PEOPLE = 6 if IS_WHOLE else 2
FLOOD_MAILBOXES = 100_000 if IS_WHOLE else 400
CLOSED_MAILBOXES = 10_000 if IS_WHOLE else 40
LOG_INS = 500 if IS_WHOLE else 8  # of each outcome
MEMORY_ROUNDS = 10 if IS_WHOLE else 1  # rounds of start, post, log out and log in, searched after each step
MANY_ENTRIES = 1_000_000 if IS_WHOLE else 20_000
SLOW_CLIENTS = 500 if IS_WHOLE else 60
UPLOAD_SECONDS = 60 if IS_WHOLE else 5  # of an honest upload at 20 kB/s
REFUSED_UPLOADS = 100 if IS_WHOLE else 1  # on a small disk
BACKUP_KILLS = 100 if IS_WHOLE else 2  # of each command
LARGE_FORMS = 50 if IS_WHOLE else 12  # clients that send the largest forms at the same time
HOSTILE_PHOTOS = 10 if IS_WHOLE else 2  # in one proposal
FAILOVERS = 12 if IS_WHOLE else 1  # of three database machines
PHOTO_SEGMENTS = 600_000 if IS_WHOLE else 20_000  # EXIF segments in each of these photos


def print_result(sentence: str) -> None:
    """Print a line for docs/proofs.md (pytest shows it under -s, or with -rP)."""
    print(f"proof: {sentence}")  # noqa: T201  # the result of a proof
