"""A cloud that says whatever a test puts into its mouth."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.rig.mimic import CLB, NOVA, REGION
from tests.rig.processes import HERE

LOGIN, LIST, CREATE = "POST /v2.0/tokens", "GET /nova/servers/detail", "POST /nova/servers"


class Mouth(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        heard = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        status, said = self.server.words.get(f"{self.command} {self.path.partition('?')[0]}", (404, {}))
        body = json.dumps(said).replace("HEARD", json.dumps(heard)[1:-1]).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, *_: Any) -> None: ...


class Cloud(ThreadingHTTPServer):
    """
    Logs in whoever comes (``identity.strategy`` must be "single_tenant"), and has no servers.

    :ivar words: "METHOD /path" -> (status, document); HEARD in it is the request's body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HERE, 0), Mouth)
        self.url = f"http://{HERE}:{self.server_port}"
        catalog = [
            {"name": name, "endpoints": [{"region": REGION, "publicURL": self.url + path}]}
            for name, path in ((NOVA, "/nova"), (CLB, "/clb"))
        ]
        access = {"token": {"id": "a-token"}, "serviceCatalog": catalog}
        self.words = {LOGIN: (200, {"access": access}), LIST: (200, {"servers": []})}
        Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
