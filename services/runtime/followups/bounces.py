"""Which addresses have refused e-mail for good, as the rules' stage keeps it in the state file."""

from pathlib import Path

from services.automation.bounces import bounced_key
from services.runtime import frames


class BouncedAddresses:
    """Asks the state file, which the engine writes."""

    def __init__(self, path: Path):
        self._db = frames.open_reader(path)

    def __call__(self, workspace: str, address: str) -> bool:
        """Whether this address is not to be written to any more."""
        sql = "SELECT 1 FROM records_rules WHERE key = ?"
        return self._db.execute(sql, (bounced_key(workspace, address),)).fetchone() is not None
