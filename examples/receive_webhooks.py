"""Receive the webhooks of Rapport: check each signature, act once on each id. It needs nothing but Python.

WEBHOOK_SECRET=… python examples/receive_webhooks.py 8091
"""

import base64
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen: set[str] = set()  # in life: a column with a unique index


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        name, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signature = base64.b64encode(hmac.digest(SECRET, f"{name}.{at}.".encode() + body, "sha256")).decode()
        given = [one.removeprefix("v1,") for one in self.headers["webhook-signature"].split()]
        fresh = abs(time.time() - int(at)) < 300  # noqa: TID251
        genuine = fresh and any(hmac.compare_digest(signature, one) for one in given)
        if genuine and name not in seen:
            told = json.loads(body)
            print(told["type"], json.dumps(told["data"])[:300], flush=True)
            seen.add(name)
        self.send_response(200 if genuine else 401)  # 2xx: it is dealt with. Anything else: it comes again
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
