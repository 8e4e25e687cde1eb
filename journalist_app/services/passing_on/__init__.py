"""Use cases of proposing and passing on. May import `services.mailbox` and `services.records`.

- `proposal_consent`: finding a proposal, and refusing what the source did not agree to
- `make_export`: the file for the recipient
- `pass_on`: beginning to pass on, and recording that the file was handed over
- `proposal_files`: the files of a proposal, inspected and encrypted
- `proposing`: preparing and sending a proposal
- `usable_recipients`: the pinned recipients
"""
