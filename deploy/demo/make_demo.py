"""Making of the demo: a trial desk, its invented recipient and mailboxes, and the list of passphrases."""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from deploy.atomic_folder import write_new
from deploy.demo.adviser_acts import ADVISER_ACTS, NEED_OPENPGP, AdvisedMailbox
from deploy.demo.source_acts import SOURCE_ACTS, InventedSource
from deploy.demo.stories import Story, load_stories
from deploy.desk_for_command import open_desk_for_command
from deploy.desk_openpgp_key import new_openpgp_key
from deploy.errors import DeployError, OpenPGPError
from deploy.hardening import TMPFS, private_memory_folder
from deploy.settings.load_settings import load_config
from deploy.setup import is_trial_desk, set_up
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.passing_on.usable_recipients import available_recipients
from journalist_app.services.records import casefiles
from protocol.content import TEXT_CHARS
from protocol.session import SECRET_BYTES
from source_app.argon2_limiter import Argon2Limiter
from source_app.config import SourceConfig
from source_app.public_desk import MailboxLimits, PublicDesk
from store.database.atomic_files import replace_file
from store.quota import Quota
from store.sessions import open_sessions
from web.dates import utc_today

PASSPHRASES: Final = "passphrases.txt"
FIRST_DAY: Final = 130  # days ago: before the first day of each story
_RECIPIENT: Final = "Invented Recipient"

Say = Callable[[str], object]


def make_demo(settings: Path, *, source_bind: str, adviser_bind: str, say: Say, on_step: Say) -> None:
    """Make a trial desk with invented mailboxes, unless this function made one in the folder before.

    Raises:
        DeployError: the folder has another desk or other files, or the demo cannot be made.
        StoreError: the store cannot be made or read.
    """
    today = utc_today()
    is_new = set_up(
        settings,
        source_bind=source_bind,
        adviser_bind=adviser_bind,
        is_trial=True,
        first_day=today - timedelta(days=FIRST_DAY),
        fill=lambda unfinished, passphrase: _fill(unfinished, passphrase, today, say, on_step),
        show_passphrase=lambda _: None,
        say=say,
        on_step=on_step,
    )
    if not is_new:
        if not (settings.with_name(PASSPHRASES).exists() and is_trial_desk(settings)):
            raise DeployError(
                f"{settings.parent} has another desk. Nothing was changed: name another folder."
            )
        say(f"This demo was made before. To make a new one, first remove {settings.parent}")
    say(f"All passphrases are in {settings.with_name(PASSPHRASES)}")


def _fill(settings: Path, passphrase: str, today: date, say: Say, on_step: Say) -> None:
    """Add an invented recipient, play all stories, and write a file with the passphrases."""
    _pin_recipient(settings, today)
    private_memory_folder(load_config(settings, "adviser", AdviserConfig).openpgp_home_path)
    lines = [f"The adviser's passphrase: {passphrase}", ""]
    on_step("Inventing the mailboxes")
    with (
        tempfile.TemporaryDirectory(dir=TMPFS) as memory,
        open_desk_for_command(settings, lambda: passphrase) as desk,
    ):
        has_recipient = bool(available_recipients(desk))
        if not has_recipient:
            say("The demo has no proposals to pass on, because gpg cannot be used.")
        public = public_desk(desk, load_config(settings, "source", SourceConfig), Path(memory))
        for story in load_stories():
            if has_recipient or NEED_OPENPGP.isdisjoint(each.what for each in story.events):
                for source in play(story, public, desk, today):
                    lines += [story.state, f"    {desk.label(source.address)}", f"    {source.passphrase}"]
    write_new(settings.with_name(PASSPHRASES), ("\n".join(lines) + "\n").encode())


def _pin_recipient(settings: Path, today: date) -> None:
    """Add an invented recipient with an OpenPGP key to the settings. Without gpg, do nothing."""
    try:
        key = new_openpgp_key(_RECIPIENT, today - timedelta(days=FIRST_DAY))
    except OpenPGPError:
        return
    write_new(settings.with_name("recipient.asc"), key.public.encode())
    who = f'role = "sg", name = "{_RECIPIENT}", fingerprint = "{key.fingerprint}", key_path = "recipient.asc"'
    pinned = f"\nrecipients = [\n  {{ {who} }},\n]\n"
    text = settings.read_text("utf-8").replace("\nrecipients = []\n", pinned)
    replace_file(settings, [text.encode()])


def public_desk(
    desk: OpenDesk, config: SourceConfig, memory: Path, *, allow_disk: bool = False
) -> PublicDesk:
    """Return the desk in the form that the source's interface needs.

    `memory` is a folder for the login sessions of sources.
    """
    return PublicDesk(
        letterhead=desk.letterhead,
        store=desk.store,
        sessions=open_sessions(memory / "sessions.db", allow_disk=allow_disk),
        argon2_limiter=Argon2Limiter(memory, at_once=1, waiting=1),
        server_secret=os.urandom(SECRET_BYTES),
        quota=Quota(config.mailbox_bytes, config.store_bytes, reserve_bytes=0),  # the demo has one small file
        limits=MailboxLimits(TEXT_CHARS, config.upload_files, config.upload_bytes, 2_000, 2**24),
        session_half_hours=1,
    )


def play(story: Story, public: PublicDesk, desk: OpenDesk, today: date) -> Iterator[InventedSource]:
    """Make `story.copies` mailboxes, and play the story in each. Yield the source of each mailbox."""
    for _ in range(story.copies):
        first = max((event.day for event in story.events), default=0)
        source = InventedSource.start(public, story.language, today - timedelta(days=first))
        mailbox = AdvisedMailbox(desk, source.address)
        for event in story.events:
            day = today - timedelta(days=event.day)
            if event.what in SOURCE_ACTS:
                SOURCE_ACTS[event.what](source, event, day)
            else:
                ADVISER_ACTS[event.what](mailbox, event, day)
        _write_casefile(story, mailbox, today)
        yield source


def _write_casefile(story: Story, mailbox: AdvisedMailbox, today: date) -> None:
    fields: dict[str, object] = dict(story.casefile)
    if story.reminder is not None:
        fields["reminder"] = today + timedelta(days=story.reminder)
    if fields:
        casefiles.set_in_casefile(mailbox.desk, mailbox.address, **fields)
    casefiles.add_casefile_note(mailbox.desk, mailbox.address, story.note, today)
