"""Use cases about the whole desk: unlock, check, calendar, letterhead, sync, report."""
