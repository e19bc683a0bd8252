"""What touches the driver's own classes. It is imported when Cassandra is used, and not before: it is large."""

import logging
import ssl
from typing import Any

from cassandra import AuthenticationFailed, ConsistencyLevel, OperationTimedOut, ReadTimeout, Unavailable, WriteTimeout
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import dict_factory

from otter.domain.errors import StoreUnavailable
from otter.store.cassandra.client import CannotConnect, Place, Unknown, password_in

PROTOCOL = 5
RECONNECT = 0.5
"""Seconds between two attempts at a node that does not answer; the driver's own policy leaves a node unused for up to twice its outage."""

IMPATIENCE = 1.0
"""Seconds after which what may be made twice is asked of another node, too: one that is paused is found out by its silence alone."""

NO_ANSWER = (WriteTimeout, OperationTimedOut, ConnectionException, NoHostAvailable)
"""Errors that do not say whether something was done."""
SILENCE = (*NO_ANSWER, ReadTimeout, Unavailable)
"""Errors of a cluster that has lost its majority."""


class Careful(RetryPolicy):
    """Only what may be made twice is tried at another node. The driver's own policy repeats changes, and so loses against itself."""

    def on_request_error(self, query: Any, consistency: Any, error: Any, retry_num: int) -> tuple:
        again = bool(query.is_idempotent) and retry_num < 2
        return (self.RETRY_NEXT_HOST if again else self.RETHROW), None

    def on_unavailable(self, query: Any, consistency: Any, needed: int, alive: int, retry_num: int) -> tuple:
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), None


def connect(place: Place) -> tuple[Cluster, Any]:
    """A cluster and a session; blocks. :raises CannotConnect:"""
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # What matters of it, we say ourselves.
    options: dict[str, Any] = {}
    if place.username:
        options["auth_provider"] = PlainTextAuthProvider(place.username, password_in(place.password_file))
    if place.ca_file:
        options["ssl_context"] = tls_of(place.ca_file)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(place.local_dc)),
        retry_policy=Careful(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(IMPATIENCE, 2),
        request_timeout=place.timeout,
        row_factory=dict_factory,
    )
    cluster = Cluster(
        list(place.hosts),
        port=place.port,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=PROTOCOL,
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT, None),
        connection_class=LibevConnection,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=5,
        **options,
    )
    try:
        return cluster, cluster.connect()
    except BaseException as error:
        cluster.shutdown()
        if not isinstance(error, Exception):
            raise
        raise unusable(place, error) from error


def unusable(place: Place, error: Exception) -> CannotConnect:
    return CannotConnect(f"Cassandra at {', '.join(place.hosts)} cannot be used: {plainly(error)}")


def tls_of(ca_file: str) -> ssl.SSLContext:
    """
    The nodes tell each other's addresses, and not their names; so names are not compared.

    :raises CannotConnect:
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise CannotConnect(f"store.ca_file: {ca_file}: {error}") from None
    context.check_hostname = False
    return context


def meaning_of(error: Exception) -> StoreUnavailable:
    """
    What an error of the driver's means to whoever asked.

    That a node has been silent, or went away, says nothing about whether it had done what it was asked.
    """
    if isinstance(error, Unavailable):
        return StoreUnavailable(f"too few replicas are alive: {error.alive_replicas} of {error.required_replicas}")
    if isinstance(error, NO_ANSWER):
        return Unknown(plainly(error))
    return StoreUnavailable(plainly(error))


def plainly(error: BaseException) -> str:
    """In one line without the driver's own words around it, and with what is to be set right."""
    if isinstance(error, NoHostAvailable):
        reasons = {f"{host}: {plainly(reason)}" for host, reason in error.errors.items()}
        return "no node can be used" + (f" ({'; '.join(sorted(reasons))})" if reasons else "")
    words = " ".join((str(error) or type(error).__name__).split())
    if isinstance(error, AuthenticationFailed):
        return f"{words}; see store.username and store.password_file"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return f"{words}; see store.ca_file"
    return words
