"""The way to Redis: clients made from the settings, whether the server is fit to keep state, and what its errors mean.

A Redis that may evict keys would lose records one by one, which nothing could notice: it is refused. One without its
append-only file is told of. What passes by itself is a Retry that says what is wrong.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from redis import Redis, RedisCluster, asyncio, exceptions
from redis.backoff import ExponentialBackoff
from redis.retry import Retry as Tries

from services.errors import RapportError, Retry
from services.runtime.settings import Settings

Client = Redis | RedisCluster
AsyncClient = asyncio.Redis | asyncio.RedisCluster

TIMEOUT = 5.0  # seconds that an answer may take; a script that writes 5,000 records takes 0.05
CONNECT = 2.0  # seconds that connecting may take
AGAIN = 2  # tries after the first one that lost its connection: every command of ours may come twice

_log = structlog.get_logger()
_WRONG: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (exceptions.AuthenticationError, exceptions.NoPermissionError),
        "does not let us in: set RAPPORT_REDIS_PASSWORD, and the user in RAPPORT_REDIS if it is not the default one",
    ),
    ((exceptions.BusyLoadingError,), "is reading what it keeps from its disk, as after every start: wait"),
    (
        (exceptions.ReadOnlyError,),
        "is a replica, which takes no writes: point RAPPORT_REDIS at the primary, or wait until it is one",
    ),
    ((exceptions.OutOfMemoryError,), "has no memory left: raise its maxmemory, or give it a bigger machine"),
    (
        (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.RedisClusterException),
        "cannot be reached: start it, or set RAPPORT_REDIS to where it is",
    ),
    (
        (exceptions.ClusterError, exceptions.ClusterDownError, exceptions.TryAgainError, exceptions.MasterDownError),
        "is a cluster that is not whole: wait until every slot is served",
    ),
)
_PASSES = ("MISCONF", "BUSY", "NOREPLICAS")  # how those answers begin that have no class: its own text says what to do


@contextmanager
def explained() -> Iterator[None]:
    """Inside, an error of Redis that passes by itself, or once somebody has seen to it, becomes a Retry that says what
    is wrong. Others are bugs and stay what they are."""
    try:
        yield
    except exceptions.RedisError as error:
        for kinds, what in _WRONG:
            if isinstance(error, kinds):
                raise Retry(f"Redis {what} ({error})") from None
        if str(error).startswith(_PASSES):
            raise Retry(f"Redis does not write now: {error}") from None
        raise


def connect(settings: Settings) -> Client:
    """A client for threads, be it of one server or of a cluster; each was asked whether it is fit (`judge`). Raises
    Retry or RapportError."""
    client = Redis.from_url(settings.redis, **_options(settings))
    with explained():
        told: Any = client.info()
        if not told["cluster_enabled"]:
            judge(told)
            return client
        client.close()
        cluster = RedisCluster.from_url(settings.redis, **_options(settings))
        primaries: Any = cluster.get_primaries()  # type: ignore[no-untyped-call]
        every: Any = [cluster.info(target_nodes=primary) for primary in primaries]
    for told in every:
        judge(told)
    return cluster


def connect_async(settings: Settings) -> AsyncClient:
    """A client for asyncio. Like `connect` it has asked the server before it returns, and blocks for that long."""
    client = connect(settings)
    cluster = isinstance(client, RedisCluster)
    client.close()
    kind: type[AsyncClient] = asyncio.RedisCluster if cluster else asyncio.Redis
    options = _options(settings) | {"retry": asyncio.retry.Retry(ExponentialBackoff(cap=1, base=0.1), AGAIN)}
    return kind.from_url(settings.redis, **options)


def judge(told: Mapping[str, Any]) -> None:
    """Whether a server that tells this of itself (INFO) is fit to keep state. Raises RapportError, or Retry where that
    may change; warns of what is safe and probably not meant."""
    if told.get("role") == "slave":
        raise Retry(f"Redis {_WRONG[2][1]}")
    policy = told.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        raise RapportError(
            f"Redis evicts keys when its memory is full (maxmemory-policy {policy}): people and message ids would be"
            " lost without notice. Set `maxmemory-policy noeviction`: then it refuses writes, and we wait"
        )
    if not told.get("aof_enabled"):
        _log.warning(
            "Redis keeps no append-only file: when it ends, all since its last snapshot is read again from the log, and"
            " without a snapshot everything. Set `appendonly yes` and `appendfsync everysec`"
        )


def _options(settings: Settings) -> dict[str, Any]:
    password = settings.redis_password
    return {
        "password": password.get_secret_value() if password else None,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": CONNECT,
        "socket_keepalive": True,
        "retry": Tries(ExponentialBackoff(cap=1, base=0.1), AGAIN),
    }
