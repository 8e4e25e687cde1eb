"""Views of the source's site: turn a request into one call of a service, and the result into a page.

Views write no SQL. Imports `source_app.services`, `source_app.signpost`, modules at the root of `source_app`,
and `web`, `stored_mailbox`, `store`, `protocol` and `crypto`.

- `answer_pages`: the page of a proposal, and the source's answers
- `error_pages`: the page and the HTTP status of each exception
- `keep_pages`: the texts that were typed and not sent
- `login_page`: the log-in page, and the check that a mailbox is open
- `mailbox_pages`: the pages of an open mailbox
- `public_pages`: the pages for everyone
- `published_report_pages`: the yearly reports
- `request_context`: language, desk and session of the current request
- `request_hooks`: code that runs before and after every view
- `signpost_pages`: the questions of the signpost
- `start_pages`: start a mailbox, log in and log out
- `write_pages`: the page of a new message

Every template receives these variables: `page_name` (the template's name without `.html`), `lang`,
`direction` ("ltr" or "rtl"), `weekdays` (names of the days of the week), `languages` (pairs of a code and a
name), `language_name` (a function), `letterhead`, `desk_language` (in which the letterhead's texts are
shown), `is_open`, `onion_origin` and `signpost_first` (the number of the first question). These templates
receive more variables:

- signpost/page.html: shown (a `Question` or an `Outcome`), back (a number, or None), routes, where
- reports/index.html: years (pairs of a year and its `PublishedReport`s)
- limits.html: dated (the day of the last change of the page's text)
- seal.html: fingerprint, recipient, openpgp_fingerprint (in groups of four, or empty)
- start.html, help.html: away (a tuple of `ShownAbsence`)
- begin/passphrase.html: words, form, wrong (positions of words, from 1), typos (a `PassphraseTypos`, or
  None), foreign (the language of the words, if the page has another), refusal (empty, "busy", "store",
  "limit" or "no_cookie"), wait_seconds (after which to try again,
  if the site is busy), again and minutes
- begin/busy.html: again (the time in UTC at which a mailbox can be started), minutes (from now until then)
- begin/log_in.html: form (words, a text to post after the log-in, the proposal that the text is about),
  typos (a `PassphraseTypos`, or None), refusal (empty, "no_mailbox", "other_mailbox", "busy" or "store"),
  wait_seconds (after which to try again, if the site is busy), was_refused (True if a request was not carried
  out)
- mailbox/thread.html, mailbox/save.html: thread (a `Thread`), away, has_unsent (True if a message was typed
  and not sent)
- mailbox/write.html: form, limits (a `MailboxLimits`), files_refused (True if files must be chosen again),
  refusal (None or a `MessageRefusal`), sealing_words (six words that tie an encrypted text to this
  mailbox)
- mailbox/received.html: entry (a `ThreadEntry`), expect_by, reopened, has_news (True if the desk wrote
  something that no page showed before the source wrote)
- mailbox/proposal.html: form, proposal (a `ShownProposal`), thread, limits, refusal (None or an
  `AnswerRefusal`)
- mailbox/entry.html: entry
- mailbox/delete.html: form, entry
- mailbox/end.html: form, with the errors of its box `sure`
- error.html: failure (a key of the template's table of sentences), retry_text (a text that was not sent, or
  None)
"""
