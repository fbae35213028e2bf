"""The judge of S/MIME signatures: trust anchors from files, work off the event loop, made when it is first asked."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.formats.smime.verify import verify_message
from adapters.ports.signatures import SignedMessage
from adapters.smime import anchors
from adapters.smime.anchors import Anchors
from adapters.smime.judge import INLINE_OCTETS, Judge
from adapters.smime.lazy import LazyJudge
from tests.formats.smime.making import ALICE, BODY, NOW, Authority, Holder, Signing, by_hand, detached

CA = Authority.make()
MESSAGE = SignedMessage(detached(by_hand([Signing(CA.alice)])))


def pem(*holders: Holder) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in holders)


@pytest.fixture(autouse=True)
def every_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "CHECK_SECONDS", 0.0)


def test_a_file_of_anchors_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    path.write_bytes(
        b"Some text\n" + pem(CA.root, CA.root) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    )
    found = Anchors(path)
    trust, name = found.current()
    assert trust.anchors == (CA.root.certificate,)
    assert found.current() == (trust, name)
    path.write_bytes(pem(CA.root, CA.intermediate))
    more, other = found.current()
    assert len(more.anchors) == 2
    assert other != name
    path.unlink()
    assert found.current() == (more, other)  # a file that is gone for a moment takes no trust away
    path.write_bytes(pem(CA.root))
    assert found.current()[1] == name  # the same set, the same name


def test_a_directory_of_anchors(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_bytes(pem(CA.root))
    (tmp_path / "two.crt").write_bytes(pem(CA.intermediate))
    (tmp_path / "notes.txt").write_bytes(pem(CA.alice))
    found = Anchors(tmp_path)
    assert set(found.current()[0].anchors) == {CA.root.certificate, CA.intermediate.certificate}
    (tmp_path / "one.pem").unlink()
    assert found.current()[0].anchors == (CA.intermediate.certificate,)


def test_the_anchors_of_the_system() -> None:
    trust, name = Anchors(None).current()
    assert trust.anchors
    assert name


async def test_small_work_stays_and_large_work_goes_to_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "anchors.pem"
    path.write_bytes(pem(CA.root))
    threads: list[bool] = []

    def noting(*arguments: object) -> object:
        threads.append(threading.current_thread() is threading.main_thread())
        return verify_message(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("adapters.smime.judge.verify_message", noting)
    one = Judge(Anchors(path))
    assert await one.judge(MESSAGE, [NOW, NOW]) == [[], []]
    body = BODY + b"x" * INLINE_OCTETS
    large = SignedMessage(detached(by_hand([Signing(CA.alice)], body), body))
    assert await asyncio.gather(*(one.judge(large, [NOW]) for _ in range(5))) == [[[]]] * 5
    assert threads == [True] + [False] * 5
    opaque = SignedMessage(by_hand([Signing(CA.alice)], detached=False), [ALICE])
    assert await one.judge(opaque, [NOW]) == [[]]
    await one.close()


async def test_the_lazy_judge_is_made_once(tmp_path: Path) -> None:
    path, made = tmp_path / "anchors.pem", []
    path.write_bytes(pem(CA.root))

    def make() -> Judge:
        made.append(1)
        return Judge(Anchors(path))

    lazy = LazyJudge(make)
    await lazy.close()
    assert not made
    names = await asyncio.gather(*(lazy.trust() for _ in range(5)))
    assert len(set(names)) == len(made) == 1
    assert await lazy.judge(MESSAGE, [NOW]) == [[]]
    await lazy.close()


def test_an_idle_gateway_does_not_import_what_it_does_not_need() -> None:
    names = "asn1crypto", "cryptography.hazmat", "pyhanko_certvalidator", "redis"
    code = f"import sys, gateway.app; print([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=dict(os.environ), text=True
    )
    assert done.stdout.strip() == "[]"
