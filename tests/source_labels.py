"""English labels of the source's links, buttons and fields, for tests that press, follow and fill them in.

A label that changes on a page changes here and in no test. `tests/source_app/languages/test_words.py`
compares each label with the catalogue.
"""

from typing import Final

START: Final = "Start a mailbox"
RETURN: Final = "Return to your mailbox"
FROM_PAPER: Final = "Type the words from your paper"
PASSPHRASE: Final = "Your passphrase"
OPEN: Final = "Open my mailbox"
WRITE: Final = "Write a message"
WRITE_AGAIN: Final = "Write a message to open the mailbox again"
MESSAGE: Final = "Your message"
FILES: Final = "Files"
SEND: Final = "Send"
TO_MAILBOX: Final = "To your mailbox"
DELETE: Final = "Delete this message"
DELETE_IT: Final = "Yes, delete it"
END: Final = "End this mailbox"
END_SURE: Final = "Yes, delete everything in this mailbox for good"
END_IT: Final = "End the mailbox for good"
LOG_OUT: Final = "Log out"
LEAVE: Final = "Leave this site now"
READ_PROPOSAL: Final = "Read and answer the proposal"
ANSWER_PROPOSAL: Final = "Answer this proposal"
OPEN_PROPOSAL: Final = "Open this proposal"
AGREE_SURE: Final = "Yes, pass on exactly this text and these files to %(name)s"
AGREE: Final = "I agree"
CHANGES: Final = "What should be different?"
ASK_FOR_CHANGES: Final = "Ask for these changes"
DECLINE: Final = "No, do not pass on this information"
TAKE_BACK: Final = "Take back my agreement"
WHICH_WAY: Final = "Talk, complain or report? Answer a few questions"
PREVIOUS: Final = "Back to the previous question"

# What a text browser shows, which has no attributes to look at.
IS_KEY: Final = "Your passphrase opens your mailbox"
HAS_MESSAGE: Final = "We have your message"
HAS_ANSWER: Final = "There is an answer for you"
DELETE_ASKED: Final = "Delete this message?"
WAS_DELETED: Final = "This message was deleted. No one can read it in this mailbox any more."
END_ASKED: Final = "End this mailbox?"
HAS_ENDED: Final = "Your mailbox has been ended"
TALK_FIRST: Final = "Talk it over first"
WHO_SEES: Final = "Who sees it"
HOW_ANONYMOUS: Final = "How anonymous you are"
