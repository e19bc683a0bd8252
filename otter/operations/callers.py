"""Letting callers in, or not. (docs/api.md, "Authentication".)"""

from attrs import frozen
from twisted.logger import Logger

from otter.cloud.errors import CloudError
from otter.cloud.identity import reason
from otter.cloud.tokens import Tokens
from otter.domain.access import Caller, Rights, Roles
from otter.domain.errors import Forbidden, InvalidCredentials, UpstreamUnavailable

log = Logger()


@frozen
class Callers:
    """Those who come with a token. What they may do is all that is taken from it: clouds are asked as otter itself."""

    tokens: Tokens
    roles: Roles

    async def admit(self, tenant: str, token: str, needed: Rights) -> None:
        """
        Return if whoever has the ``token`` has the rights that are ``needed`` in the tenant.

        :raises InvalidCredentials: Identity knows no such token, or its time is over.
        :raises Forbidden: it is another tenant's, or its roles do not suffice.
        :raises UpstreamUnavailable: Identity does not say.
        """
        caller = await self._caller(tenant, token)
        if caller is None:
            raise InvalidCredentials("The token in X-Auth-Token is not valid (any more); get a new one from Identity")
        if caller.tenant != tenant:
            raise Forbidden(f"The token in X-Auth-Token is not for tenant {tenant}")
        if self.roles.rights_of(caller) < needed:
            names = ", ".join(self.roles.sufficient(needed))
            raise Forbidden(f"The token in X-Auth-Token has none of the roles that may do this: {names}")

    async def _caller(self, tenant: str, token: str) -> Caller | None:
        try:
            return await self.tokens.caller(token)
        except CloudError as error:
            log.info("token-not-checked", tenant=tenant, error=reason(error))
            raise UpstreamUnavailable(f"Identity does not say whose token it is: {reason(error)}") from None
