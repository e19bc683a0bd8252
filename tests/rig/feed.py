"""
Cloud Feeds, as far as otter asks for it: it takes events, and a test says when it does not. (Mimic has no such service.)

    feed = FeedService()
    otter = lives.otter(mimic.identity_url, feeds={"url": feed.url, "tenant_id": "otter"})
    until(lambda: "Creating 2 servers." in feed.messages())
    feed.status = 503   # from now on; feed.close() ends it
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.rig.processes import HERE


class FeedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = self.server.take(self.path, dict(self.headers.items()), body)  # type: ignore[attr-defined]
        self.send_response(status)
        content = b"<entry xmlns='http://www.w3.org/2005/Atom'/>"
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class FeedService(ThreadingHTTPServer):
    """
    :ivar status: what it answers. :ivar asked: how often. :ivar taken: (path, headers, entry) of what was answered with 201.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__((HERE, port), FeedHandler)
        self.status, self.asked = 201, 0
        self.taken: list[tuple[str, dict, Any]] = []
        Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.server_port}/feeds"

    def take(self, path: str, headers: dict, body: bytes) -> int:
        self.asked += 1
        if self.status == 201:
            self.taken.append((path, headers, json.loads(body)))
        return self.status

    def events(self) -> list[dict[str, Any]]:
        return [entry["entry"]["content"]["event"] for _, _, entry in self.taken]

    def messages(self) -> list[str]:
        return [event["product"]["message"] for event in self.events()]

    def close(self) -> None:
        self.shutdown()
        self.server_close()
