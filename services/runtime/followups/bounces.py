"""Which addresses have refused e-mail for good, as the rules' stage keeps it."""

from services.automation.bounces import bounced_key
from services.runtime.ports import Records


class BouncedAddresses:
    """Asks what the stages keep."""

    def __init__(self, records: Records):
        self._records = records

    def __call__(self, workspace: str, address: str) -> bool:
        """Whether this address is not to be written to any more."""
        return self._records.find([("rules", bounced_key(workspace, address))])[0] is not None
