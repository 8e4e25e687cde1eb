"""Tallies (anonymous facts) about a mailbox, made from its casefile (docs/protocol.md, "Tallies")."""

from datetime import date

from journalist_app.desk.casefile import Casefile
from protocol.ledger import Dimension, Tally, make_tallies
from protocol.letterhead import Letterhead


def tallies_of(  # noqa: PLR0913  # what a tally consists of
    casefile: Casefile, letterhead: Letterhead, *, seed: bytes, revision: int, closed: date, is_read: bool
) -> tuple[Tally, ...]:
    """Return the tallies (anonymous facts) about a mailbox, made from its casefile: always `ROWS` (8).

    The tallies count for the year of the first message, or for the year of `closed` if there was no message.
    Spam, and a mailbox that ended before anyone read it, are counted only under MAILBOX. So the counts of
    every other kind of fact add up to the number of mailboxes that were read. A casefile has the desk's notes
    about a mailbox.
    """
    year = (casefile.first_message or closed).year
    came_back = "yes" if casefile.came_back else "no"
    if casefile.is_spam or not is_read:
        facts = {Dimension.MAILBOX: "spam" if casefile.is_spam else "ended_unread"}
    else:
        facts = {
            Dimension.MAILBOX: "read",
            Dimension.THEME: casefile.theme,
            Dimension.ROUTE: casefile.route,
            Dimension.OUTCOME: casefile.outcome,
            Dimension.REGION: casefile.region,
            Dimension.CAME_BACK: came_back if casefile.first_answer else "no_answer",
            Dimension.FIRST_ANSWER: _first_answer(casefile, letterhead),
            Dimension.PASSED_ON: _passed_on(casefile),
        }
    return make_tallies(facts, seed=seed, revision=revision, year=year)


def _first_answer(casefile: Casefile, letterhead: Letterhead) -> str:
    if casefile.first_message is None or casefile.first_answer is None:
        return "none"
    return str(letterhead.working_days_between(casefile.first_message, casefile.first_answer))


def _passed_on(casefile: Casefile) -> str:
    ways = {"with_consent" if passed.with_consent else "without_consent" for passed in casefile.passed_on}
    return "both" if len(ways) > 1 else next(iter(ways), "not")
