"""Sentences about metadata and hidden parts of a file, in the language of the reader: adviser or source.

A source can read every language of `languages/`, so the translations are there.
"""

import re
from datetime import UTC, datetime
from typing import Final

from babel import dates
from flask_babel import LazyString, get_locale, gettext, lazy_gettext, ngettext

from web.languages import WRITTEN_IN, read_words

# Remarks about a whole file, such as why it was not examined. The adviser reads them, and at a proposal the
# source reads them too. So no sentence asks the reader to do something.
UNKNOWN_TYPE: Final = lazy_gettext(
    "This type of file cannot be examined. What is hidden in the file is unknown."
)
TOO_LARGE: Final = lazy_gettext(
    "This file is too large to be examined. What is hidden in the file is unknown."
)
EMPTY: Final = lazy_gettext("The file is empty.")
NO_MAT2: Final = lazy_gettext(
    "The file was not examined, because the desk's computer does not have mat2, the program that examines "
    "files. What is hidden in the file is unknown."
)
NO_SANDBOX: Final = lazy_gettext(
    "The file was not examined, because the desk's computer cannot isolate the program that examines files. "
    "What is hidden in the file is unknown."
)
FAILED: Final = lazy_gettext(
    "This file could not be examined. The file is damaged, it has too many layers of files inside files, "
    "or the examination took too long. What is hidden in the file is unknown."
)
NOTHING: Final = lazy_gettext(
    "No hidden information was found in this file. The file can still contain hidden information that "
    "no program of the desk can find."
)
PLAIN_TEXT: Final = lazy_gettext(
    "This is a plain text. Such a file contains only what you can read, and no hidden details."
)
LOCKED: Final = lazy_gettext(
    "This file opens only with a password, so the file was not examined. What is hidden in the file "
    "is unknown."
)

# Findings in a file by their subject, in the order in which the adviser and the source read about them.
DETAILS: Final = {
    "person": lazy_gettext("Name (%(key)s): %(value)s"),
    "place": lazy_gettext("Place (%(key)s): %(value)s"),
    "timed": lazy_gettext(
        "Notes for each moment of the recording, such as places or subtitles. The first (%(key)s): %(value)s"
    ),
    "changes": lazy_gettext("Tracked changes, which can show removed texts: %(key)s, made by %(value)s."),
    "comments": lazy_gettext("Comments in the file: %(key)s, written by %(value)s."),
    "hidden": lazy_gettext("Pieces of text that are hidden on the page: %(key)s."),
    "faint": lazy_gettext(
        "Pieces of text that no one can see, in the colour of the page or cell behind them: %(key)s."
    ),
    "beside": lazy_gettext("Pages with text outside the part that people see: %(key)s."),
    "outside": lazy_gettext("Objects that no one sees, outside a slide: %(key)s."),
    "unseen": lazy_gettext("Pieces of text that no one can see when the pages are drawn: %(key)s."),
    "layers": lazy_gettext("Layers in the file, some of which can be hidden: %(key)s (%(value)s)."),
    "fields": lazy_gettext("Fields of a form in the file: %(key)s (%(value)s)."),
    "prompts": lazy_gettext(
        "Messages or choices that a program shows only to someone who selects a cell or field: %(key)s "
        "(%(value)s)."
    ),
    "scripts": lazy_gettext(
        "The file contains a small program (JavaScript), which can run when someone opens the file."
    ),
    "actions": lazy_gettext(
        "Instructions in the file to do something, such as send a form, open another file or play a sound: "
        "%(key)s."
    ),
    "described": lazy_gettext("Hidden descriptions or names of pictures: %(key)s (%(value)s)."),
    "sheets": lazy_gettext("Hidden sheets in the file: %(key)s (%(value)s)."),
    "deep_sheets": lazy_gettext("Hidden sheets that no menu of a program lists: %(key)s (%(value)s)."),
    "rows": lazy_gettext("Hidden rows in the file: %(key)s."),
    "columns": lazy_gettext("Hidden columns in the file: %(key)s."),
    "slides": lazy_gettext("Hidden slides in the file: %(key)s."),
    "notes": lazy_gettext("Slides in the file with notes for the speaker: %(key)s."),
    "thumbnail": lazy_gettext("The file has a small, perhaps older copy of its picture or first page."),
    "trailer": lazy_gettext("Bytes that no program shows, after the end of the picture: %(key)s."),
    "older": lazy_gettext("Older versions of the document, which can contain removed words: %(key)s."),
    "embedded": lazy_gettext("Files that were not examined, inside this file: %(key)s (%(value)s)."),
    "custom": lazy_gettext("Parts that a program made, and that no page shows: %(key)s (%(value)s)."),
    "links": lazy_gettext("Links from the file to other files or web pages: %(key)s (%(value)s)."),
    "unread": lazy_gettext("Parts or pages of the file that could not be examined: %(key)s (%(value)s)."),
    "camera": lazy_gettext("The file contains settings of the camera, such as the exposure time."),
    "named": lazy_gettext("Detail under a name that a person or program chose (%(key)s): %(value)s"),
    "device": lazy_gettext("Device or program (%(key)s): %(value)s"),
    "time": lazy_gettext("Date or time (%(key)s): %(value)s"),
    "other": lazy_gettext("Another detail (%(key)s): %(value)s"),
}
_WITH_NAMES: Final = frozenset({"person", "place", "timed", "device", "time", "other"})  # of metadata


# Words for the names of metadata, for people. The patterns match names in small letters, without other
# characters.
_WORDS: Final = (
    (
        lazy_gettext("made by"),
        "(xp)?author|(initial)?creator|artist|byline|originator|composer|band|albumartist",
    ),
    (lazy_gettext("last changed by"), "lastmodifiedby"),
    (lazy_gettext("printed by"), "printedby"),
    (lazy_gettext("owner of the device"), "(camera)?ownername"),
    (lazy_gettext("owner of the rights"), "copyright(notice)?|rights|credit|source"),
    (lazy_gettext("person in the picture"), "personinimage|regionname"),
    (lazy_gettext("user of a program"), "filesharing"),
    (lazy_gettext("address of a person"), "contact|creatorwork(email|telephone)"),
    (lazy_gettext("organisation"), "company|publisher"),
    (lazy_gettext("manager"), "manager"),
    (lazy_gettext("city or place"), "city|(sub)?location"),
    (lazy_gettext("country"), "country(primarylocationname)?"),
    (lazy_gettext("province"), "(province)?state"),
    (lazy_gettext("place on the map"), "gps(position|coordinates)"),
    (lazy_gettext("place on the map, north or south"), "gpslatitude"),
    (lazy_gettext("place on the map, east or west"), "gpslongitude"),
    (lazy_gettext("height above the sea"), "gpsaltitude"),
    (lazy_gettext("direction of the camera"), "gps(imgdirection|destbearing|track)"),
    (lazy_gettext("date and time"), "gps(date|time).*"),
    (lazy_gettext("speed"), "gpsspeed"),
    (lazy_gettext("text"), "text"),
    (lazy_gettext("language"), "language"),
    (lazy_gettext("search words"), "(xp)?(keywords|subject)|category"),
    (lazy_gettext("device"), "make|model"),
    (lazy_gettext("number of the device"), ".*serialnumber"),
    (lazy_gettext("lens"), "lens.*"),
    (lazy_gettext("computer"), "hostcomputer"),
    (lazy_gettext("printer"), "printername"),
    (lazy_gettext("folder on a computer"), "abspath|hyperlinkbase"),
    (lazy_gettext("number of the file"), "(original)?documentid|instanceid|imageuniqueid|contentidentifier"),
    (
        lazy_gettext("program"),
        "application|(history)?software(agent)?|producer|generator|creatortool|encodedby|encoder(settings)?",
    ),
    (
        lazy_gettext("made on"),
        "created|(create|creation)date|datetimeoriginal|date(time)?created|recordingtime",
    ),
    (lazy_gettext("last changed on"), "modified|(modify|mod|metadata)date|date(time)?|historywhen"),
    (lazy_gettext("printed on"), "lastprinted|printdate"),
    (lazy_gettext("time zone"), "offsettime.*|timezone"),
    (lazy_gettext("number of times saved"), "revision|editingcycles"),
    (lazy_gettext("title"), "(xp)?title|headline|objectname|album"),
    (lazy_gettext("title of a sheet, slide or other part"), "lpstr"),
    (lazy_gettext("time spent on editing"), "totaltime|editingduration"),
    (lazy_gettext("version of the program"), "appversion"),
    (lazy_gettext("template"), "template"),
    (lazy_gettext("number of pages"), "pages|slides"),
    (
        lazy_gettext("description"),
        "(image)?description|(user|xp)?comment|captionabstract|specialinstructions|userdefinedtext",
    ),
)


def detail_sentence(kind: str, key: str, value: str) -> LazyString:
    """Return a sentence about one finding in a file, in the language of the reader.

    `kind` is a key of `DETAILS`. Known names of metadata are replaced by words, and dates are formatted.
    """
    return LazyString(_sentence, kind, key, value)


def _sentence(kind: str, key: str, value: str) -> str:
    name = re.sub(r"[^a-z]", "", key.lower())
    words = key
    if kind in _WITH_NAMES:
        known = (str(word) for word, names in _WORDS if re.fullmatch(names, name))
        words = next(known, None) or gettext("called %(name)s in the file", name=key)
    value = _moment(value) if kind == "time" or "date" in name else value
    return str(DETAILS[kind] % {"key": words, "value": value or gettext("someone without a name")})


def _moment(value: str) -> str:
    """Return a date and time in the reader's language, or the value itself if it has another form."""
    iso = re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", value)
    try:
        is_seconds = re.fullmatch(r"\d{9,10}", value) is not None  # since 1970
        moment = datetime.fromtimestamp(int(value), UTC) if is_seconds else datetime.fromisoformat(iso)
    except ValueError:
        return value
    reader = get_locale()
    locale = read_words(reader.language if reader else WRITTEN_IN, "language")["locale"]
    words = dates.format_date(moment, "long", locale=locale)
    if is_seconds or len(iso) > len("2026-03-02"):
        words += ", " + dates.format_time(moment, "HH:mm", locale=locale)
    return f"{words} {moment.tzname()}" if moment.tzinfo else words


def more_details_sentence(count: int) -> str:
    """Return a sentence saying that the file has `count` more hidden details like the one above."""
    return str(
        ngettext(
            "The file contains %(num)d more hidden detail like the one in the line above.",
            "The file contains %(num)d more hidden details like the one in the line above.",
            count,
        )
    )


def left_out_sentence(count: int) -> str:
    """Return a sentence saying that the file has `count` more hidden details, which are not in the list."""
    return str(
        ngettext(
            "The file contains %(num)d more hidden detail, which is not in this list.",
            "The file contains %(num)d more hidden details, which are not in this list.",
            count,
        )
    )


def pictures_sentence(pages: int) -> LazyString:
    """Return sentences in the reader's language about a copy that is made of pictures of the pages."""
    return LazyString(_pictures, pages)


def _pictures(pages: int) -> str:
    return str(
        ngettext(
            "Instead, the app made a PDF with a picture of %(num)d page. The PDF has no hidden information. "
            "No one can search the text of the PDF or have the text read aloud.",
            "Instead, the app made a PDF with pictures of %(num)d pages. The PDF has no hidden information. "
            "No one can search the text of the PDF or have the text read aloud.",
            pages,
        )
    )
