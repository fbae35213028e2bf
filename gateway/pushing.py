"""Composition of what is pushed: whose credentials reach an owner's accounts while no client is there.

While the gateway runs they are the client's own, held in memory; after a restart those that were sealed, where the
operator gave a key, or the master user's; else the subscriptions rest until their owner logs in.
"""

import functools
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from gateway.config import Config
from gateway.context import Context, Login
from gateway.objects.mail.email_push import new_emails
from gateway.push.pusher import Access, Tools
from gateway.push.sender import Sender
from gateway.push.subscriptions import Pushers
from gateway.push.vapid import VAPID, VapidKey
from gateway.store.base import Store
from gateway.sync.ledger import Record
from gateway.unattended import Unattended
from gateway.web.credentials import Credentials
from gateway.web.logins import Logins, Opened


class Pushing:
    """Push subscriptions, tied to the logins. capabilities: of the session; the VAPID key is entered there.

    make_context: for what is asked of the objects on behalf of a login.

    logins: to be set before anything is opened. Raises ConfigError.
    """

    logins: Logins

    def __init__(
        self,
        config: Config,
        store: Store,
        capabilities: dict[str, dict[str, object]],
        make_context: Callable[[Login], Context],
    ) -> None:
        self._make_context = make_context
        self._unattended = Unattended(config.auth)

        def advertise(key: str) -> None:
            capabilities[VAPID] = {"applicationServerKey": key}  # RFC 9749 §3

        key = VapidKey(store, config.push.vapid_key, config.push.contact, advertise)
        sender = Sender(key, config.push.ca_file, config.egress.networks, config.push.request_seconds)
        tools = Tools(store, sender, key, secrets.token_bytes(12), self._new_emails)
        self.pushers = Pushers(tools, self._reopen, config.push.subscription_seconds)

    async def open(self, opening: Callable[[Credentials], Awaitable[Opened]], credentials: Credentials) -> Opened:
        """A login that knows its push subscriptions. Raises what `opening` raises."""
        opened = await opening(credentials)
        await self.pushers.ready()
        push = self.pushers.met(self._access(credentials, _owner(credentials.username, credentials.login)))
        return replace(opened, login=replace(opened.login, push=push))

    def _access(self, credentials: Credentials, owner: str) -> Access:
        return Access(
            owner=owner,
            use=functools.partial(self._use, credentials),
            secret=self.logins.fingerprint(credentials),
            binding=credentials.scheme == "password" and credentials.login == credentials.username,
            note=functools.partial(self._note, credentials, owner),
        )

    async def _new_emails(self, login: Login, account_id: str, config: Record, since: str) -> tuple[list[Record], str]:
        account = login.accounts.get(account_id)
        if account is None:
            return [], since
        return await new_emails(self._make_context(login), account, config, since)

    def _use(self, credentials: Credentials) -> AbstractAsyncContextManager[Login]:
        return self.logins.use(credentials)

    def _note(self, credentials: Credentials, owner: str) -> Mapping[str, Any]:
        return self._unattended.note(credentials, f"push/{owner}")

    def _reopen(self, note: Mapping[str, Any]) -> Access | None:
        owner = _owner(note["username"], note["login"])
        credentials = self._unattended.credentials(note, f"push/{owner}")
        return None if credentials is None else self._access(credentials, owner)


def _owner(username: str, login: str) -> str:
    """Stands for whose credentials they are: the user's own and the master user's are not the same."""
    return hashlib.sha256(f"{username}\0{login}".encode()).hexdigest()[:32]
