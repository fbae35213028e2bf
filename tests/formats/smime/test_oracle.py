"""The openssl command line as an oracle: what counts here counts there as well; and no bit can be changed."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from adapters.formats.smime.chain import Trust
from adapters.formats.smime.verify import verify_message
from tests.formats.smime.making import (
    BODY,
    NOW,
    Authority,
    Signing,
    Wish,
    by_hand,
    by_library,
    certificate,
    detached,
    opaque,
    rsa_key,
)

CA = Authority.make()
RSA = certificate(Wish(key=rsa_key()), CA.intermediate)
DETACHED = pkcs7.PKCS7Options.DetachedSignature


def openssl_accepts(message: bytes, directory: Path) -> bool:
    root = directory / "root.pem"
    root.write_bytes(CA.root.certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "cms", "-verify", "-CAfile", str(root), "-attime", str(int(NOW.timestamp()))]
    done = subprocess.run(command, input=message, capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def accepted_here(message: bytes) -> bool:
    return not verify_message(message, Trust([CA.root.certificate]), [NOW])[0].errors


Made = tuple[bytes, bytes | None]
"""The CMS, and what it is detached from."""

MAKERS: dict[str, Callable[[], Made]] = {
    "EC, detached": lambda: (by_library(CA.alice, BODY, DETACHED), BODY),
    "EC, opaque": lambda: (by_library(CA.alice), None),
    "RSA, detached": lambda: (by_library(RSA, BODY, DETACHED), BODY),
    "PSS, opaque": lambda: (by_library(RSA, pss=True), None),
    "key id": lambda: (by_hand([Signing(CA.alice, by_key=True)]), BODY),
    "two signers": lambda: (by_hand([Signing(CA.alice), Signing(RSA, "sha512")]), BODY),
    "no attributes": lambda: (by_hand([Signing(RSA, attributes=False)]), BODY),
}


def message(cms: bytes, body: bytes | None) -> bytes:
    return opaque(cms) if body is None else detached(cms, body)


@pytest.mark.parametrize("name", MAKERS)
def test_the_oracle_agrees(name: str, tmp_path: Path) -> None:
    cms, body = MAKERS[name]()
    assert accepted_here(message(cms, body))
    assert openssl_accepts(message(cms, body), tmp_path)
    chance = random.Random(name)  # noqa: S311 - the same changes every time
    for _ in range(40):
        changed = bytearray(cms)
        changed[-chance.randrange(1, 170)] ^= 1 << chance.randrange(8)  # in what is signed, or in the signature
        assert not accepted_here(message(bytes(changed), body))
    if body is not None:
        assert not accepted_here(message(cms, body.replace(b"10", b"99")))
        assert not openssl_accepts(message(cms, body.replace(b"10", b"99")), tmp_path)
