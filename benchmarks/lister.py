"""
What otter's passes are measured against: ``python -m benchmarks.lister URL TIMES CONNECTIONS < tenants.json``.

A bare client that lists servers, page by page: TIMES listings in all, one tenant after the other, CONNECTIONS of them at once. It
parses what it gets and does nothing with it. The output is the seconds that it took.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.task import react
from twisted.web.client import Agent, HTTPConnectionPool

from tests.rig.processes import REPOSITORY

PAGE = {"limit": "100"}


async def list_servers(client: HTTPClient, url: str) -> int:
    """How many there are."""
    found, query = 0, PAGE
    while query:
        response = await client.get(url, params=query)
        page = json.loads(await response.content())
        found += len(page["servers"])
        query = next((dict(parse_qsl(urlsplit(link["href"]).query)) for link in page["servers_links"]), {})
    return found


async def list_in_turn(client: HTTPClient, urls: Iterator[str]) -> None:
    for url in urls:
        assert await list_servers(client, url) > 0


def main(reactor: Any, root: str, times: str, connections: str) -> Deferred:
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = int(connections)
    client = HTTPClient(Agent(reactor, pool=pool))
    tenants = json.load(sys.stdin)
    urls = (f"{root}/nova/{tenant}/servers/detail" for tenant in islice(cycle(tenants), int(times)))
    start = perf_counter()
    lines = [ensureDeferred(list_in_turn(client, urls)) for _ in range(int(connections))]
    return DeferredList(lines, fireOnOneErrback=True).addCallback(lambda _: print(perf_counter() - start))


def seconds_to_list(root: str, tenants: Sequence[str], times: int, connections: int) -> float:
    """For so many listings, by another process."""
    command = [sys.executable, "-m", "benchmarks.lister", root, str(times), str(connections)]
    done = subprocess.run(
        command, input=json.dumps(tenants), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


if __name__ == "__main__":
    react(main, sys.argv[1:])
