"""
kazoo by way of txkazoo 0.0.5, for those who have to use it. (docs/zookeeper.md, "txkazoo".)

It calls what blocks, each call in a thread. Its own threads are those of the reactor, which has none left for anybody
else when ZooKeeper is silent, and does not end before they do; so these are of a pool of their own, and nobody waits
for their end.
"""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

from attrs import define
from kazoo.client import KazooClient
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from txkazoo import TxKazooClient

from otter.coordination.zookeeper.client import InReactor

THREADS = 16
"""
More calls wait. If ZooKeeper is silent, they do so until their time is over, and are sent nevertheless when it
answers.
"""


class Daemon(Thread):
    """The end of the process does not wait for it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, daemon=True)


class Daemons(ThreadPool):
    threadFactory = Daemon  # type: ignore[assignment]


class Client(TxKazooClient):
    """txkazoo's, with threads of its own."""

    def __init__(self, reactor: Any, **options: Any) -> None:
        self.reactor = reactor
        self.pool = Daemons(0, THREADS, "txkazoo")
        self.pool.start()
        super().__init__(**options)

    def in_thread(self, blocking: Callable[..., Any], *args: Any, **named: Any) -> Deferred:
        return deferToThreadPool(self.reactor, self.pool, blocking, *args, **named)

    def __getattr__(self, name: str) -> Callable[..., Deferred]:
        return partial(self.in_thread, getattr(self.client, name))

    def _watch_func(
        self, func: Callable[..., Any], path: str, watch: Callable[[Any], None] | None = None, **named: Any
    ) -> Deferred:
        heard = watch and InReactor(self.reactor, watch)
        return self.in_thread(func, path, watch=heard, **named)


@define(eq=False)
class Threaded:
    """An ``IWay``."""

    client: Client

    @property
    def kazoo(self) -> KazooClient:
        return self.client.client

    def ask(self, name: str, *args: Any, **named: Any) -> Deferred:
        return getattr(self.client, name)(*args, **named)

    def commit(self, transaction: Any) -> Deferred:
        return self.client.in_thread(transaction.commit)

    def close(self) -> None:
        Thread(target=self.client.pool.stop, daemon=True).start()
