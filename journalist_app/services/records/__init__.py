"""Use cases about sealed records of the desk: casefiles, drafts, templates."""
