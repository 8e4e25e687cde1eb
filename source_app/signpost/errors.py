"""Why a signpost is refused."""


class SignpostError(Exception):
    """A data file of the signpost has a fault; the message is one sentence with the file and the place."""
