"""HTTP and HTML code that both Flask apps and the sync endpoint use.

Imports none of our other packages. The code uses no mailbox, no key and no database.

- `dates`: today's date, the current half hour, and adding months to a day
- `errors`: reasons why a request body cannot be used
- `filenames`: file names that are safe to show and to save
- `form_limits`: the limits of each form, and the reader of percent-encoded forms
- `headers`: the security headers of every response
- `languages`: languages of the pages, and what is shown if a translation is missing
- `multipart`: the streaming parser of multipart forms
- `normal_text`: the forms in which search and names are compared, and texts that show nothing
- `origin`: checks of the Host and Origin headers, and of a site's own address
- `page_padding`: one size for pages that differ in length
"""
