"""Answers to a proposal through the source's pages, and what these pages show of the proposal."""

from werkzeug.test import TestResponse

from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.proposal_states import ProposalStatus
from source_app.services.proposals import ShownProposal, read_proposal
from source_app.services.verified_mailbox import read_mailbox
from tests.source_app.desks import ADesk, SourceBrowser


def path_of(entry: SignedEntry) -> str:
    return f"/en/mailbox/proposal/{entry.envelope.entry_id.hex()}"


def form_of(source: SourceBrowser, entry: SignedEntry) -> dict[str, str]:
    return source.hidden(source.get(path_of(entry)), path_of(entry))


def say(source: SourceBrowser, entry: SignedEntry, verdict: str, **fields: str) -> TestResponse:
    """Answer a proposal through the page, as a browser does."""
    return source.post(path_of(entry), {**form_of(source, entry), "verdict": verdict, **fields})


def shown(a_desk: ADesk, keys: MailboxKeys, entry: SignedEntry) -> ShownProposal:
    return read_proposal(read_mailbox(a_desk.desk, keys), keys, entry.envelope.entry_id)


def state(a_desk: ADesk, keys: MailboxKeys, entry: SignedEntry) -> ProposalStatus:
    return shown(a_desk, keys, entry).state
