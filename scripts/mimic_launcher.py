"""
Starts Mimic, the simulated cloud, with two names that it still asks for and that newer libraries dropped.

Without ``attr.validators.provides`` Mimic comes up silently without its load balancers; without ``inspect.getargspec`` its
catalog cannot be administered, so no proxy could be put in front of a service. Arguments are those of twistd.

And it is kept from raising the dead: a server that was deleted while it was building became active when it would have been built.
"""

import inspect
import sys
from collections import namedtuple

import attr.validators
from twisted.scripts.twistd import run

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def provides(interface):
    """An attrs validator: the value provides the zope ``interface``."""

    def check(instance, attribute, value):
        if not interface.providedBy(value):
            raise TypeError(f"{attribute.name} must provide {interface.__name__}")

    return check


if not hasattr(attr.validators, "provides"):
    attr.validators.provides = provides
if not hasattr(inspect, "getargspec"):
    inspect.getargspec = lambda function: ArgSpec(*inspect.getfullargspec(function)[:4])


def keep_the_dead():
    from mimic.model.nova_objects import Server

    update_status = Server.update_status

    def update_unless_deleted(server, status):
        if server.status != "DELETED":
            update_status(server, status)

    Server.update_status = update_unless_deleted


if __name__ == "__main__":
    keep_the_dead()
    sys.argv[0] = "twistd"
    sys.exit(run())
