"""Use cases in one mailbox. May import `services.records` and what is below `services`.

- `answering`: a text with its files, a step, or both
- `count_for_report`: facts for the yearly report
- `desk_read_receipts`: the desk's read receipts
- `file_downloads`: attachments, decrypted while they are sent
- `order_deletion`: orders to delete a mailbox
- `pending_files`: encrypted files of a future entry
- `read_thread`: the whole thread, verified and decrypted
- `send_entries`: appending entries of the desk
- `steps`: steps that advisers write
"""
