"""The receiver in examples/ takes what is signed with its secret, once, and nothing else."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from tests.e2e.running import eventually

RECEIVER = Path(__file__).parents[1] / "examples" / "receive_webhooks.py"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = json.dumps({"type": "rule.x", "timestamp": "2026-01-01T00:00:00Z", "data": {"n": 1}})


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_receiver_of_the_guide_checks_signatures_and_acts_once(tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    with (
        out.open("w") as file,
        subprocess.Popen(
            [sys.executable, str(RECEIVER), str(port)], env={**os.environ, "WEBHOOK_SECRET": SECRET}, stdout=file
        ) as receiver,
    ):
        try:
            assert [_posted(port, *one) for one in (("a", SECRET), ("a", SECRET), ("b", "whsec_" + "A" * 44))] == [
                200, 200, 401,
            ]  # fmt: skip
        finally:
            receiver.kill()
    assert re.findall(r"rule\.x .*", out.read_text()) == ['rule.x {"n": 1}']


def _posted(port: int, name: str, secret: str) -> int:
    at = int(time.time())
    signed = Webhook(secret).sign(name, datetime.fromtimestamp(at, UTC), BODY)
    headers = {"webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": signed}

    def answer() -> int:
        try:
            return httpx.post(f"http://127.0.0.1:{port}/", content=BODY, headers=headers).status_code
        except httpx.ConnectError:
            return 0

    return eventually(answer)
