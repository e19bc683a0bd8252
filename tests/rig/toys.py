"""A cloud service so small that a test of the proxy can know everything about it."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.rig.processes import HERE

SERVERS = {
    "servers": [
        {"id": "s1", "name": "web-1", "metadata": {"group": "g1", "colour": "red"}},
        {"id": "s10", "name": "web-10", "metadata": {}},
    ],
    "servers_links": [{"rel": "next", "href": "http://elsewhere/?marker=s10"}],
}
NODES = {"nodes": [{"id": 1, "address": "10.0.0.1", "port": 80}, {"id": 2, "address": "10.0.0.2", "port": 80}]}
POOLS = [{"id": "p1", "name": "default"}]
POOL_NODES = [{"id": f"n{number}", "cloud_server": {"id": f"s{number}"}} for number in (1, 2)]
LISTS = {"pools": POOLS, "p1/nodes": POOL_NODES, "nodes": NODES}
ODD = b'\x00\xff  {"odd" :1}\r\n'


class ToyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, self.headers, body))
        status, reason, content = self.server.answer(self.command, self.path)
        self.send_response(status, reason)
        self.send_header("X-Odd", "one")
        self.send_header("X-Odd", "two")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

    def log_message(self, *_):
        pass


class ToyUpstream(ThreadingHTTPServer):
    """
    :ivar seen: (method, path, headers, body) of each request that came.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__((HERE, 0), ToyHandler)
        self.seen = []
        Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self):
        return f"http://{HERE}:{self.server_port}/v2"

    def seen_by(self, tenant):
        """Method and path within the tenant, of each request that came for it."""
        return [f"{method} {path.split('/', 3)[3]}" for method, path, *_ in self.seen if path.split("/")[2] == tenant]

    def answer(self, method, path):
        path = path.split("?")[0]
        if path.endswith("/odd"):
            return 299, "Rather Odd", ODD
        if path.endswith("/slow"):
            time.sleep(0.2)
        if method == "DELETE":
            return 204, "No Content", b""
        if method != "GET":
            return 202, "Accepted", b'{"server": {"id": "new"}}'
        listed = next((listed for end, listed in LISTS.items() if path.endswith(end)), SERVERS)
        return 200, "OK", json.dumps(listed).encode()
