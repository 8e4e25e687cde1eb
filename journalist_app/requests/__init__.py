"""Request context that several pages of the adviser's site share.

Imports Flask, and `desk`, `services` and `forms` of this app.

- `access`: access control; gives a page the open desk, and checks CSRF tokens
- `form_context`: address, entry id and newest message seen, of one mailbox form
- `kept_text`: typed text of this request, so that an error page can return it
"""
