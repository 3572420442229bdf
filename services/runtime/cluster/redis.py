"""Redis on this machine: every second to disk, as docs/ says of a real one."""

from pathlib import Path

import redis

from services.runtime.cluster.addresses import LOOPBACK
from services.runtime.cluster.process import Process
from services.runtime.cluster.programs import redis_server

READY_WITHIN = 60.0  # seconds; reading a large file again takes its time

_SETTINGS = """\
bind {host}
port {port}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class Redis:
    """Its process, and the folder `redis` with its data."""

    def __init__(self, folder: Path, port: int, password: str = ""):
        self.name, self.process, self.port = "Redis", Process(folder, "redis"), port
        self.processes = [self.process]
        self._place, self._password = folder / "redis", password
        self.url = f"redis://{LOOPBACK}:{port}/0"

    def start(self) -> None:
        """Start it and wait until it answers. Its settings, with the password in them, go through its standard input:
        neither a file nor the list of processes shows them."""
        self._place.mkdir(parents=True, exist_ok=True)
        settings = _SETTINGS.format(host=LOOPBACK, port=self.port)
        if self._password:
            escaped = self._password.replace("\\", "\\\\").replace('"', '\\"')
            settings += f'requirepass "{escaped}"\n'
        self.process.start([str(redis_server()), "-"], place=self._place, said=settings.encode())
        self.process.wait_until(self.answers, READY_WITHIN)

    def stop(self) -> None:
        """Stop it cleanly: what it was told is on disk."""
        self.process.stop()

    def answers(self) -> bool:
        """Whether it answers a PING."""
        with redis.Redis.from_url(self.url, password=self._password or None, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:  # also while it reads its file
                return False
