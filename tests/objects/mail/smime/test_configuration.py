"""S/MIME over JMAP (RFC 9219): what an operator may configure."""

import re
from pathlib import Path

import pytest

from gateway.config_reader import ConfigError
from tests.client import jmap_client
from tests.formats.smime.making import (
    DAY,
    Signing,
    by_hand,
    detached,
    revocation_list,
)
from tests.gateway import running_gateway
from tests.objects.mail.smime.asking import CA, FAILED, NOW, SMIME, USING, VERIFIED, named, statuses, write_anchors
from tests.servers.imap_client import imap_client
from tests.servers.users import MailServer, fresh_user


async def test_revoked(dovecot: MailServer, tmp_path: Path) -> None:
    """With the extra and a list that the operator keeps."""
    lists = tmp_path / "crl"
    lists.mkdir()
    serial = CA.alice.certificate.serial_number
    (lists / "1.crl").write_bytes(revocation_list(CA.root))
    (lists / "2.crl").write_bytes(revocation_list(CA.intermediate, serial, on=NOW - 5 * DAY))
    write_anchors(tmp_path / "anchors.pem", CA.root)
    keys = {"smime__trust_anchors": str(tmp_path / "anchors.pem"), "smime__revocation_lists": str(lists)}
    user = fresh_user(dovecot)
    with imap_client(dovecot, user) as imap:
        octets = detached(by_hand([Signing(CA.alice, time=NOW - 20 * DAY)]))
        imap.append("INBOX", named("now", octets))
        imap.append("INBOX", named("before", octets), [], f'"{NOW - 10 * DAY:%d-%b-%Y %H:%M:%S +0000}"')
    async with (
        running_gateway(dovecot, **keys, smime__revocation="hard") as url,
        jmap_client(url, user.name, user.password) as jmap,
    ):
        found = await statuses(jmap)
    assert {email["smimeStatus"] for email in found.values()} == {FAILED}
    assert found["now"]["smimeErrors"] == [
        "The certificate of Alice, or one above it, was revoked: key_compromise",
    ]
    assert found["now"]["smimeStatusAtDelivery"] == FAILED
    assert found["before"]["smimeStatusAtDelivery"] == VERIFIED  # it was revoked later


async def test_an_operator_may_switch_it_off(dovecot: MailServer) -> None:
    user = fresh_user(dovecot)
    async with (
        running_gateway(dovecot, smime__enabled="false") as url,
        jmap_client(url, user.name, user.password) as jmap,
    ):
        assert SMIME not in jmap.session["capabilities"]
        body = {"using": list(USING), "methodCalls": []}
        async with jmap.http.post(jmap.session["apiUrl"], json=body) as answer:
            assert (await answer.json())["type"] == "urn:ietf:params:jmap:error:unknownCapability"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"smime__trust_anchors": "/nonexistent"}, "smime.trust_anchors: /nonexistent does not exist"),
        ({"smime__revocation": "soft"}, "smime.revocation: needs the extra jmap-gateway[smime-revocation]"),
    ],
)
async def test_mistakes_are_found_at_start(
    dovecot: MailServer, keys: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.signatures.importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=re.escape(problem)):
        async with running_gateway(dovecot, **keys):
            pass
