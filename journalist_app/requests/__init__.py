"""Request context of the adviser's pages: access check, form context, and typed text.

Imports `journalist_app.desk`, modules at the root of `journalist_app`, and `report`, `stored_mailbox`,
`store`, `protocol` and `web`.

- `access`: access check; gives a page the open desk, and checks CSRF tokens
- `file_response`: response with a file to save
- `form_context`: mailbox address, new entry's id and heads of the page, of one form
- `kept_text`: typed text of this request, so that an error page can show it again
- `refusal_status`: table from a refusal to its reason and HTTP status
"""
