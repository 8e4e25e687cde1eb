"""Years of made-up mailboxes from a seed. The same seed gives the same counts, but new keys.

Some mailboxes still exist, with entries and casefiles. The others were deleted, and left their tallies.
"""

import random
from collections import Counter
from datetime import date, timedelta
from typing import Final

import msgspec

from journalist_app.desk.casefile import Casefile, PassedOn, tallies_of
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.records import casefiles
from protocol.identifiers import Digest
from protocol.ledger import seal_tallies
from store import ledger_tallies as ledger
from tests.journalist_app.desk_factories import World, a_source

_LIVE: Final = 12  # at most; each is made by the real writers, which takes its time


def fill(world: World, desk: OpenDesk, year: int, mailboxes: int, *, seed: int) -> Counter[tuple[str, str]]:
    """Put a year of mailboxes into a store, and return the counts before a report hides any."""
    chance = random.Random(seed)
    truth: Counter[tuple[str, str]] = Counter()
    sealed: list[bytes] = []
    live = 0
    for _ in range(mailboxes):
        casefile, is_read = _a_casefile(chance, desk, year)
        closed, tally_seed = date(year, 12, 31), chance.randbytes(32)
        tallies = tallies_of(
            casefile, world.letterhead, seed=tally_seed, revision=1, closed=closed, is_read=is_read
        )
        truth.update((tally.dimension.value, tally.value) for tally in tallies)
        if is_read and live < _LIVE and chance.random() < 0.5:
            live += 1
            _lives_on(world, desk, casefile)
        else:
            sealed += seal_tallies(tallies, world.letterhead, world.writer())
    with world.store.writing() as session:
        ledger.add(session, sealed)
    return truth


def _a_casefile(chance: random.Random, desk: OpenDesk, year: int) -> tuple[Casefile, bool]:
    first = date(year, 1, 1) + timedelta(days=chance.randrange(330))
    answer = first + timedelta(days=chance.choice((1, 2, 4, 9, 20, 34))) if chance.random() < 0.9 else None
    kind = chance.random()
    passed_on = tuple(
        PassedOn(recipient="SG", with_consent=consent, made=first, proposal=Digest(bytes(32)))
        for consent in (True, False)
        if chance.random() < (0.2 if consent else 0.03)
    )

    def pick(what: str) -> str:
        keys = ["", *(choice.key for choice in desk.config.options(what))]
        return chance.choices(keys, [1 / (1 + number) for number in range(len(keys))])[0]

    casefile = Casefile(
        theme=pick("themes"),
        route=pick("routes"),
        region=pick("regions"),
        outcome=pick("outcomes"),
        is_spam=kind < 0.08,
        first_message=first,
        first_answer=answer,
        came_back=answer is not None and chance.random() < 0.4,
        passed_on=passed_on,
    )
    return casefile, kind >= 0.12


def _lives_on(world: World, desk: OpenDesk, casefile: Casefile) -> None:
    """Keep the mailbox in the store. Its casefile leaves out the facts that its entries show."""
    assert casefile.first_message is not None
    source = a_source(world, day=casefile.first_message)
    source.writes("vraag", day=casefile.first_message)
    if casefile.first_answer is not None:
        source.is_answered("antwoord", day=casefile.first_answer)
        if casefile.came_back:
            source.writes("dank", day=casefile.first_answer + timedelta(days=7))
    noted = msgspec.structs.replace(casefile, first_message=None, first_answer=None, came_back=False)
    casefiles.update_casefile(desk, source.keys.address, lambda _: noted)
