"""A port that several processes listen on."""

import socket
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.tcp import Port


class SharedPort(Port):
    """
    A TCP port on which other processes of the same user listen, too, if all of them say so.

    The kernel gives each new connection to one of them. What it gave to a process that dies before it has accepted
    is broken off; from then on the others get everything.
    """

    def createInternetSocket(self) -> socket.socket:
        made: socket.socket = super().createInternetSocket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return made


@frozen
class Sharing:
    """A reactor for endpoints of the kind "tcp", whose ports are shared. :ivar reactor: the real one."""

    reactor: Any

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """:raises CannotListenError:"""
        shared = SharedPort(port, factory, backlog, interface, self.reactor)
        shared.startListening()
        return shared
