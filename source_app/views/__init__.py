"""Requests into calls, outcomes into pages.

Endpoints: pages.start, pages.help, pages.privacy, pages.limits, pages.accessibility, pages.leave,
pages.stylesheet, pages.seal, pages.age_recipient, pages.openpgp_key, pages.letterhead_body,
pages.letterhead_signature;
signpost.show(number); reports.index, reports.document(name);
begin.passphrase, begin.card, begin.practise, begin.log_in, begin.log_out; mailbox.thread, mailbox.write,
mailbox.received(entry_id), mailbox.proposal(entry_id), mailbox.answer(entry_id), mailbox.file(attachment_id),
mailbox.delete(entry_id), mailbox.end, mailbox.save.

Every template gets `page_name` (its own, without `.html`), `lang`, `letterhead`, `is_open`, `signpost_first`
(the number of its first question), and `log_out_form` when a mailbox is open.
What each gets besides:

* signpost/page.html: shown (`tree.Question` or `tree.Outcome`), back (a number, or None), routes, where.
* reports/index.html: years (pairs of a year and its `published.PublishedReport`s).
* limits.html: dated (the day on which its words were last changed).
* seal.html: fingerprint, recipient, openpgp_fingerprint (in fours, or empty).
* begin/passphrase.html: words, ticket.
* begin/practise.html: form (ticket, words), ticket, wrong (places from 1), unknown (places from 1), refusal
  (empty, or what `failures.trouble` says).
  A POST to begin.passphrase with the ticket shows the same words again.
* begin/log_in.html: form (words, text that waits, proposal it is about), unknown (places from 1), refusal
  (empty, "no_mailbox", or what `failures.trouble` says), was_refused (whether something was asked for and not
  done).
* start.html, help.html: away (`absences.Away`, absences of now and soon).
* begin/card.html: words, ticket.
* mailbox/thread.html: thread (`reading.Thread`), away.
* mailbox/proposal.html: form (token, entry_id, seen, digest, sure, text), proposal (`reading.ShownProposal`),
  thread, limits, refusal (None, or the value of an `errors.AnswerRefusal`).
* mailbox/save.html: thread.
* mailbox/write.html: form (token, entry_id, seen, text, files), limits (`services.Limits`),
  files_refused (whether chosen files were lost and must be chosen again), refusal (None, or the value of a
  `errors.Refusal`), closed (whether a message opens the mailbox again).
* mailbox/received.html: entry (`reading.ShownEntry`), words, expect_by, reopened.
* mailbox/delete.html: form (token), entry.
* mailbox/end.html: form (token, sure); form.sure.errors when the box was not ticked.
* mailbox/ended.html: nothing.
* error.html: failure (a name for it), title, happened, kept, now (whole sentences, already translated),
  retry_text (text that was written and could not be taken, or None).
"""
