"""A real node of Cassandra for a measure, on addresses of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.services.jars import how_to_get, missing_packages
from scripts.services.settings import settings_of
from tests.rig.cassandra import NETS, CassandraNode, claim_net, started


class CannotMeasure(Exception):
    """What is lacking on this machine, in one sentence."""


@contextmanager
def a_node() -> Iterator[CassandraNode]:
    """Nothing is left of it in the end. :raises CannotMeasure: there is no Java, no Maven, or no net on loopback."""
    settings = settings_of(os.environ)
    if packages := missing_packages(settings):
        raise CannotMeasure(f"it needs Java 17 and Maven: {how_to_get(packages)}")
    claim = claim_net(settings.cache / "tests", reversed(NETS))
    if claim is None:
        raise CannotMeasure("no net on loopback is free for a node of Cassandra")
    with claim.lock:
        try:
            yield started(claim.net)
        finally:
            claim.net.services("down", "--wipe")
