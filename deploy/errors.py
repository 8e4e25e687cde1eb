"""What can stop the `steunpunt` command. Each message is one whole sentence for the person who started it."""


class DeployError(Exception):
    """Something that the operator or adviser must mend first; the command prints it and ends with 1."""


class ConfigError(DeployError):
    """The settings file has faults; the message names all of them, and no value."""


class SetupError(DeployError):
    """The desk cannot be set up here."""


class OpenPGPError(DeployError):
    """The desk's OpenPGP key could not be made or read."""


class UnsafePlaceError(DeployError):
    """A file or folder that others could read or replace."""


class ServerKeyError(DeployError):
    """The server's own key is missing, is none, or cannot be written."""


class TwoMachinesError(DeployError):
    """What a workstation and its server do together did not go through; the message says what stands."""


class LetterheadError(DeployError):
    """The letterhead in the store is missing, forged, or older than one seen before."""


class SignpostFaultError(DeployError):
    """A data file of the signpost has a fault; the message names the file and the place."""


class PortTakenError(DeployError):
    """Another program listens where we were to listen."""


class StoppedError(DeployError):
    """One of the processes ended by itself, so the others were stopped too."""


class OnionError(DeployError):
    """Base of what stands between us and an onion service; the message says what to do."""


class OnionKeyError(OnionError):
    """The key of an onion service is missing, damaged or open to others."""


class ClientKeyError(OnionError):
    """A client's name or key that cannot be one."""


class OnionFolderError(OnionError):
    """A folder of an onion service that cannot be read or written."""


class OnionSettingsError(OnionError):
    """The settings name no onion service, or one that Tor would not take."""


class TorAwayError(OnionError):
    """Tor does not run, or nobody listens at its control port."""


class TorClosedError(OnionError):
    """Tor does not let us in at its control port."""


class TorRefusedError(OnionError):
    """Tor was asked and said no; the message is ours, never Tor's own words."""


class OnionBackupError(OnionError):
    """A backup of the onion keys that cannot be made, opened or put back."""


class PosterError(DeployError):
    """The poster cannot be made."""
