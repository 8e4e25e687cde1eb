"""The verified transcript of a mailbox: its entries in order, what each writer knew, and what follows.

Imports `crypto`, and modules at the root of `protocol`.

- `check`: check a whole mailbox, and return the heads for a new entry
- `closing`: whether a mailbox is closed, and from which day the server may delete it
- `ending`: the proof that stays of a mailbox that was ended or deleted
- `knowledge`: which entries the writer of an entry knew
- `proposal_states`: consent: the state of each proposal
- `thread_state`: the steps of a mailbox, with the state of each proposal
- `waiting`: who waits for whom
"""
