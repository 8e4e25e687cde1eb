"""Program that chooses the Dutch words of passphrases from the word list of Debian's package `wdutch`.

`python -m tests.crypto.choose_dutch_words < /usr/share/dict/dutch` writes the words that are committed as
`nl.txt`. Never write `nl.txt` again with a newer `wdutch`: the labels of existing mailboxes are made of its
words.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

WANTED: Final = 7_776
_REFUSED: Final = Path(__file__).with_name("refused_words.txt")

_WORD: Final = re.compile(r"[a-z]{3,}")
_PLAIN: Final = re.compile(r"[a-z]{4,9}")  # words of three letters are mostly endings of other words
_PART: Final = 3  # smallest number of letters in a part of a compound

# Spellings that people get wrong, and words that look like abbreviations.
_HARD: Final = re.compile(
    r"[qxy]|(.)\1\1|[^aeiou]{5}|[aeiou]{4}|th|ph|rh|tz|zj|^[^aeiou]+$|aa$|uu$|c[ceiks]|sc(?!h)|ae"
    r"|ch$|[aeiou]ir$"
)

# A word with such a prefix is mostly a form of a verb rather than a noun, unless it is in many compounds.
_FORM_OF_A_VERB: Final = re.compile(
    r"(ge|be|ver|ont|her|af|op|om|uit|door|toe|aan|weg|mee|bij|na|in|over|voor).*"
)
_RARE: Final = 4  # a word in fewer compounds is rare

# An inflection has almost all letters of its stem. Someone who remembers one may type the other, so only
# the stem is kept.
_ENDINGS: Final = (
    *("e", "s", "t", "d", "n", "r", "en", "es", "er", "ers", "ste", "ster", "te", "de", "ten", "den"),
    *("je", "tje", "pje", "jes", "tjes", "ing", "ingen", "end", "ende", "heid", "lijk", "elijk", "erij"),
)
_UNVOICED: Final = {"z": "s", "v": "f"}

# Spellings of one sound: a passphrase may be read aloud to someone who writes it down.
_SAME_SOUND: Final = (
    *(("ij", "ei"), ("ou", "au"), ("ch", "g"), ("c", "k"), ("z", "s"), ("v", "f"), ("ie", "i")),
)

# The reader of a passphrase may have been insulted, threatened or touched. So no word of the list contains
# a part about violence, crime, death, sex, body, illness, religion or insults, not even by accident. The
# file refused_words.txt has the whole words that a reader of the list refused, grouped by reason.
_UNFIT: Final = re.compile(
    r"aars|abort|adolf|afmaak|afpers|agressi|aids|alcohol|allah|anaal|(?<!v)angst|anus|apen|^arab|asiel|"
    r"azijnp|baarmoe|bajes|bang|barbaa|bastaa|bedpart|bedrog|beest|begraaf|beledig|beul|bijbel|billen|"
    r"bips|bitch|bloed|bloot|boeddh|boef|boezem|borst|brand|bruut|buil|castr|coke|cremat|crimin|dader|"
    r"darm|debiel|delict|demen|dief|dode|doem|dood|doodsl|doof|drank|dreig|drol|dronk|drug|duivel|dwaas|"
    r"dwang|dwerg|eikel|ejac|^engel|erot|^etter|euthan|exec|fascis|fatw|fluim|folter|fraud|fuck|galg|"
    r"geil|genit|geslach|getto|geweld|gewet|gewond|gif|gijzel|god|graf(?!f)|gruw|(?<!c)haat|heks|hindoe|"
    r"hitl|hoer|homo|homp|hond(?!er)|honger|hoon|hufter|huil|idioo|imam|impot|incest|infect|intim|inval|"
    r"islam|jezus|jihad|joden|jood|kaffer|kak|kalief|kanker|kanon|kerk|kerker|kloot|klote|kneus|knok|"
    r"koelie|kogel|kolder|kont|koran|kots|kramp|krank|kreng|kreup|krijs|kruis|kut|kwaad|kwel|kwets|"
    r"ledemaat|(?<!k)leed|lelijk|lesbi|lijd|^lijk|loeder|loens|lul|maagd|maagz|maf|mafia|maitr|makak|"
    r"martel|masse|mestv|meth|minka|minna|misbr|misda|mishan|mislu|moeder|mof|moffin|moham|mongo|monst|"
    r"moord|moslim|murw|naakt|narcos|nazi|neger|neuk|neuro|nicht|nikker|obsce|onan|onth|ontuch|oorlog|"
    r"opiu|orgas|orgi|paald|paniek|pausd|pedo|penis|pest|piem|pies|pijn|pik|pimp|pis|ploert|poep|porno|"
    r"potenra|priest|prost|psych|pubi|puist|rabbi|ramp|reet|religi|revolv|romp|roofo|^rover|ruft|rund|"
    r"ruzie|sadis|satan|schaam|schade|schan|scheet|scheld|schiet|schijt|schim|schoft|schram|schrik|"
    r"schuld|schurk|seks|sekt|sex|slaaf|slaan|slach|slacht|slapp|slav|slet|slijk|slijm|sloer|slons|"
    r"smaad|smak|smeer|smerig|smet|sneu|snol|soa|sodom|spast|sperm|spijt|spook|spuug|stakk|stenig|sterf|"
    r"stik|stink|stom|straf|stripp|stront|stupi|suf|suici|syfil|tampon|tepel|tering|terreur|terror|tiet|"
    r"tiran|transsek|treit|trut|tuch|tumor|tyfus|uitroei|vagin|vals|varken|venij|vent$|verdri|verkr|"
    r"verlam|vermoor|vernie|verrad|verslind|verwond|vete|^vies|viez|vijand|vlees|vloek|vlucht|voyeu|"
    r"vrees|vreet|vuil|vulva|vunz|wanh|wapen|^wijf|wond|worg|wraak|wreed|wurg|zaad|zedel|zeik|zelfm|"
    r"zeur|zever|(?<!mu)ziek|zigeu|zion|zonde|zondig|zot|zuip|zwart|zweep|zweer|zwijn"
)


def choose_words(listed: Iterable[str]) -> list[str]:
    """Choose the 7,776 words of the Dutch word list from a dictionary, and return them sorted.

    A word counts as common if many longer words in the dictionary are compounds of it, because Dutch makes
    compounds of its everyday words. So the program needs no second source that says which words are common.
    """
    everything = set(listed)
    refused = _refused()
    known = {word for word in everything if _WORD.fullmatch(word)}
    compounds = _compounds(known)
    fit = (
        word
        for word in known
        if _PLAIN.fullmatch(word)
        and compounds[word] > 0
        and word.capitalize() not in everything  # otherwise the word is also a name
        and not _HARD.search(word)
        and not _UNFIT.search(word)
        and word not in refused
        and not (compounds[word] < _RARE and _FORM_OF_A_VERB.fullmatch(word))
        and known.isdisjoint(set(_stems(word)) - {word})
    )
    chosen: list[str] = []
    taken: set[str] = set()
    for word in sorted(fit, key=lambda word: (-compounds[word], len(word), word)):
        # No two words have the same sound, or differ in the last letter only.
        forms = {word, word[:-1], _sound(word)}
        if taken.isdisjoint(forms):
            chosen.append(word)
            taken |= forms
    return sorted(chosen[:WANTED])


def _refused() -> frozenset[str]:
    lines = _REFUSED.read_text("ascii").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _compounds(known: set[str]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for word in known:
        for at in range(_PART, len(word) - _PART + 1):
            if word[:at] in known and word[at:] in known:
                counted[word[:at]] += 1
                counted[word[at:]] += 1
    return counted


def _stems(word: str) -> Iterator[str]:
    """Yield the words that this word may be an inflection of, such as boom for bomen and huis for huizen."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _PART:
            continue
        unvoiced = stem[:-1] + _UNVOICED.get(stem[-1], stem[-1])
        yield from (stem, unvoiced, stem + "e", stem + "en")
        if stem[-1] == stem[-2]:
            yield stem[:-1]
        if stem[-2] in "aeou":
            yield unvoiced[:-1] + stem[-2] + unvoiced[-1]


def _sound(word: str) -> str:
    for spelling, same in _SAME_SOUND:
        word = word.replace(spelling, same)
    word = re.sub(r"(.)\1", r"\1", word)
    return word[:-1] + {"d": "t", "b": "p"}.get(word[-1], word[-1])


if __name__ == "__main__":
    sys.stdout.write("\n".join(choose_words(sys.stdin.read().split())) + "\n")
