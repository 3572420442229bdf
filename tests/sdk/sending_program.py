"""A program that tracks without end, and prints each message id when the call has returned: NAME HOST BUFFER."""

import os
import sys
import time
from decimal import Decimal
from itertools import count

from rapport_sdk import Client

name, host, buffer = sys.argv[1:]
client = Client("key-server", host, buffer=buffer, batch_events=40, interval=0.05)
for n in count():
    message_id = f"{name}-{n}"
    client.track("Order Completed", user_id=f"u{n % 30}", message_id=message_id, properties={"total": Decimal("0.10")})
    os.write(1, f"{message_id}\n".encode())
    time.sleep(0.003)
