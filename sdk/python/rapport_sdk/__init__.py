"""Send touchpoints to Rapport from Python.

from rapport_sdk import Client

with Client("demo-shop") as rapport:
    rapport.track("Order Completed", user_id="ann", properties={"total": Decimal("41.97")})

What a call has returned from is on disk, and is sent in the background until the platform has answered for it.
"""

from rapport_sdk.bound import Bound
from rapport_sdk.client import Client
from rapport_sdk.problems import QueueFull, RapportError, Rejection, Undelivered
from rapport_sdk.version import VERSION

__all__ = ["VERSION", "Bound", "Client", "QueueFull", "RapportError", "Rejection", "Undelivered"]
