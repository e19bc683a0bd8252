"""The proxy's own API, for the test that uses it."""

import json
import re
from typing import Any

from attrs import define, field, frozen
from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from tests.rig.ledger import Ledger
from tests.rig.rules import Rulebook


@frozen
class Upstream:
    """
    :ivar service: "nova", "clb", "rackconnect" or "identity"; it says what the paths mean.
    :ivar url: what the proxy's ``/{name}`` stands for, without a slash at the end.
    """

    service: str
    url: str


def tenant_of(request: IRequest) -> str | None:
    """The tenant in the query; None: all of them."""
    [tenant] = request.args.get(b"tenant", [None])
    return None if tenant is None else tenant.decode()


@define(eq=False, slots=False)
class Control:
    rulebook: Rulebook
    ledger: Ledger
    upstreams: dict[str, Upstream] = field(factory=dict)

    app = Klein()

    @app.route("/control/", methods=["GET"])
    def greet(self, request: IRequest) -> str:
        return "a proxy that injects faults"

    @app.route("/control/upstreams/<name>", methods=["PUT"])
    def set_upstream(self, request: IRequest, name: str) -> None:
        document = json.load(request.content)
        self.upstreams[name] = Upstream(document["service"], document["url"].rstrip("/"))
        request.setResponseCode(204)

    @app.route("/control/rules", methods=["POST"])
    def add_rule(self, request: IRequest) -> str:
        rule_id = self.rulebook.add(json.load(request.content))
        return answered(request, {"id": rule_id}, 201)

    @app.route("/control/rules", methods=["GET"])
    def list_rules(self, request: IRequest) -> str:
        return answered(request, {"rules": self.rulebook.described()})

    @app.route("/control/rules/<int:rule_id>", methods=["DELETE"])
    def remove_rule(self, request: IRequest, rule_id: int) -> None:
        request.setResponseCode(204 if self.rulebook.remove(rule_id) else 404)

    @app.route("/control/rules", methods=["DELETE"])
    def clear_rules(self, request: IRequest) -> None:
        self.rulebook.clear(tenant_of(request))
        request.setResponseCode(204)

    @app.route("/control/counts", methods=["GET"])
    def counts(self, request: IRequest) -> str:
        return answered(request, self.ledger.counts())

    @app.route("/control/log", methods=["GET"])
    def log(self, request: IRequest) -> str:
        return answered(request, {"log": self.ledger.entries(tenant_of(request))})

    @app.route("/control/reset", methods=["POST"])
    def reset(self, request: IRequest) -> None:
        self.ledger.reset(tenant_of(request))
        request.setResponseCode(204)

    @app.handle_errors(KeyError, TypeError, ValueError, re.error)
    def refuse(self, request: IRequest, failure: Failure) -> str:
        return answered(request, {"error": f"{failure.type.__name__}: {failure.getErrorMessage()}"}, 400)


def answered(request: IRequest, document: Any, status: int = 200) -> str:
    request.setResponseCode(status)
    request.setHeader("content-type", "application/json")
    return json.dumps(document)
