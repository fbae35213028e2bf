"""What is sealed in the store can be opened in its place only."""

from gateway.config_reader import Secret
from gateway.vault import Vault


def test_only_the_key_and_the_place_open_it() -> None:
    vault = Vault(Secret("k" * 32))
    sealed = vault.seal(b"hunter2", "push/one")
    assert b"hunter2" not in sealed
    assert sealed != vault.seal(b"hunter2", "push/one")
    assert Vault(Secret("k" * 32)).open(sealed, "push/one") == b"hunter2"
    assert vault.open(sealed, "push/other") is None
    assert Vault(Secret("l" * 32)).open(sealed, "push/one") is None
    for broken in (b"", sealed[:5], sealed[:-1], sealed + b"x", bytes(len(sealed))):
        assert vault.open(broken, "push/one") is None
