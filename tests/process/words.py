"""A cloud that says whatever a test puts into its mouth."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.rig.mimic import CLB, NOVA, REGION
from tests.rig.processes import HERE

LOGIN, LIST, CREATE = "POST /v2.0/tokens", "GET /nova/servers/detail", "POST /nova/servers"
FLAVOR = "GET /nova/flavors/2"
SILENCE = (0, None)
"""In place of an answer: there is none."""
HALF = (200, None)
"""The same, but for the beginning of one."""
BAD_DAY = (503, {"message": "Nova has a bad day"})


class Mouth(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        heard = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        status, said = self.server.words.get(f"{self.command} {self.path.partition('?')[0]}", (404, {}))
        if (status, said) == SILENCE:
            self.rfile.read(1)  # until the client has had enough
            return
        if (status, said) == HALF:
            self.send_response(status)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"servers": [')
            self.rfile.read(1)
            return
        body = json.dumps(said).replace("HEARD", json.dumps(heard)[1:-1]).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, *_: Any) -> None: ...


class Cloud(ThreadingHTTPServer):
    """
    Logs in whoever comes (``identity.strategy`` must be "single_tenant"), has one flavor, "2", and no servers.

    :param servers: what it says when it is asked for the list of servers.
    :ivar words: "METHOD /path" -> (status, document); HEARD in it is the request's body.
    """

    daemon_threads = True
    request_queue_size = 300

    def __init__(self, servers: Any = (200, {"servers": []})) -> None:
        super().__init__((HERE, 0), Mouth)
        self.url = f"http://{HERE}:{self.server_port}"
        catalog = [
            {"name": name, "endpoints": [{"region": REGION, "publicURL": self.url + path}]}
            for name, path in ((NOVA, "/nova"), (CLB, "/clb"))
        ]
        access = {"token": {"id": "a-token"}, "serviceCatalog": catalog}
        flavor = {"flavor": {"id": "2"}}
        self.words = {LOGIN: (200, {"access": access}), LIST: servers, FLAVOR: (200, flavor)}
        Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """A client was killed: that is what tests do."""

    @property
    def identity_url(self) -> str:
        return f"{self.url}/v2.0"

    def end(self) -> None:
        self.shutdown()
        self.server_close()
