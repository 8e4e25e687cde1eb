"""Merging of two letterheads (public statements of the desk) that two workstations signed at the same time.

See docs/protocol.md, "Sync".
"""

import itertools
from collections.abc import Hashable, Iterable
from typing import Final, TypeVar

import msgspec

from protocol.letterhead import Letterhead, Strand

_LISTS: Final = ("closed_days", "absences", "reports")
_Each = TypeVar("_Each", bound=Hashable)
# A key and its fingerprint change together, and so do the texts, which must be in the same languages.
_TOGETHER: Final = (("openpgp_fingerprint", "openpgp_key"), ("desk_name", "talk", "secrecy_limits"))
_APART: Final = {"serial", "issued", "strands", *_LISTS, *itertools.chain(*_TOGETHER)}


def merge_letterheads(base: Letterhead, ours: Letterhead, theirs: Letterhead) -> Letterhead:
    """Merge two letterheads, the desk's signed public statements, that were both made from `base`.

    `theirs` is published, and `ours` is not. If both changed the same field, the value of `theirs` is kept.
    """
    # In the lists, the additions and removals of both are applied. Of two reports with the same title, the
    # one in `theirs` is kept. If both give a last day for a workstation, the earlier day counts.
    changes: dict[str, object] = {}
    for names in (*_TOGETHER, *((name,) for name in Letterhead.__struct_fields__ if name not in _APART)):
        if _of(names, theirs) == _of(names, base):
            changes |= zip(names, _of(names, ours), strict=True)
    for name in _LISTS:
        changes[name] = _merge_lists(getattr(base, name), getattr(ours, name), getattr(theirs, name))
    first = {report.title: report for report in theirs.reports}
    not_second = tuple(report for report in ours.reports if first.get(report.title, report) == report)
    changes["reports"] = _merge_lists(base.reports, not_second, theirs.reports)
    return msgspec.structs.replace(
        theirs,
        serial=max(ours.serial, theirs.serial) + 1,
        issued=max(ours.issued, theirs.issued),
        strands=_strands(base.strands, ours.strands, theirs.strands),
        **changes,
    )


def _of(names: Iterable[str], letterhead: Letterhead) -> tuple[object, ...]:
    return tuple(getattr(letterhead, name) for name in names)


def _merge_lists(base: Iterable[_Each], ours: Iterable[_Each], theirs: Iterable[_Each]) -> tuple[_Each, ...]:
    known, mine, other = dict.fromkeys(base), dict.fromkeys(ours), dict.fromkeys(theirs)
    kept = [each for each in other if each in mine or each not in known]
    return (*kept, *(each for each in mine if each not in known and each not in other))


def _strands(base: Iterable[Strand], ours: Iterable[Strand], theirs: Iterable[Strand]) -> tuple[Strand, ...]:
    """Merge the lists of workstations in two signed public statements of the desk.

    A workstation is never removed from the list, so that everyone can still verify its signatures.
    """
    before = set(base)
    found = {strand.id: strand for strand in theirs}
    for strand in ours:
        other = found.get(strand.id, strand)
        kept = strand if other in before else other
        ends = [until for until in (strand.until, other.until) if until is not None]
        found[strand.id] = msgspec.structs.replace(kept, until=min(ends, default=None))
    return tuple(found.values())
