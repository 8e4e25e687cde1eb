"""HTTP and HTML code that both Flask apps and the sync endpoint use.

Imports none of our other folders: it knows no mailbox, no key and no database.

- `csrf`: the token of a form
- `dates`: today's date, the current half hour, and adding months to a day
- `errors`: the refusals of a request body
- `filenames`: file names that are safe to show and to save
- `headers`: the security headers of every response
- `multipart`: the streaming parser of multipart forms
- `origin`: checks of the Host and Origin headers
- `page_padding`: one size for pages that differ in length
"""
