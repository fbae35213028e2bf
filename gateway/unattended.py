"""Credentials for work that goes on without a client: what may be kept of them, and how they are found again.

The master user's where the operator has one, else the client's own, sealed in the store, where the operator gave a key.
"""

import base64
from collections.abc import Mapping
from typing import Any

from gateway.config import Auth
from gateway.vault import Vault
from gateway.web.credentials import Credentials


class Unattended:
    """Notes of credentials, to be kept in the store."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._vault = None if auth.credentials_key is None else Vault(auth.credentials_key)

    @property
    def lasts(self) -> bool:
        """Whether every note leads to credentials, also after a restart."""
        return self._vault is not None or self._auth.master_user is not None

    @property
    def seals(self) -> bool:
        """Whether the notes hold the clients' own credentials."""
        return self._vault is not None

    def note(self, credentials: Credentials, place: str) -> dict[str, Any]:
        """What may be kept; place: what it is kept for."""
        note = {"username": credentials.username, "login": credentials.login}
        if self._vault is not None:
            note["sealed"] = base64.b64encode(self._vault.seal(credentials.to_bytes(), place)).decode()
        return note

    def credentials(self, note: Mapping[str, Any], place: str) -> Credentials | None:
        """The credentials of a note for the same place, None where there is no way to them."""
        if self._vault is not None and "sealed" in note:
            text = self._vault.open(base64.b64decode(note["sealed"]), place)
            if text is not None:
                return Credentials.from_bytes(text)
        master, secret = self._auth.master_user, self._auth.master_password
        return None if master is None or secret is None else Credentials("password", note["username"], master, secret)
