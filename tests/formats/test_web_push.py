"""Web Push messages: the example of RFC 8291, an independent decoder, and tokens that another library accepts."""

import base64
import json

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import web_push


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decoded(text), "big"), ec.SECP256R1())


# RFC 8291 §5, Appendix A
SENDER = private("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
RECEIVER = private("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
RECEIVER_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = decoded("DGv6ra1nlYgDCS1FRnbzlw")
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_standard() -> None:
    keys = web_push.subscriber_keys(RECEIVER_PUBLIC, AUTH)
    assert web_push.public_octets(RECEIVER) == decoded(RECEIVER_PUBLIC)
    text = b"When I grow up, I want to be a watermelon"
    assert web_push.encrypt(text, keys, SENDER, SALT) == decoded(BODY)


@given(st.binary(max_size=web_push.MAX_PLAINTEXT), st.binary(min_size=16, max_size=16))
def test_an_independent_decoder_reads_it(text: bytes, salt: bytes) -> None:
    keys = web_push.subscriber_keys(RECEIVER_PUBLIC, AUTH)
    body = web_push.encrypt(text, keys, ec.generate_private_key(ec.SECP256R1()), salt)
    assert len(body) <= 4096  # RFC 8030 §7.2
    read = http_ece.decrypt(body, private_key=RECEIVER, auth_secret=decoded(AUTH), version="aes128gcm")
    assert read == text


def test_what_does_not_fit() -> None:
    keys = web_push.subscriber_keys(RECEIVER_PUBLIC, AUTH)
    with pytest.raises(ValueError, match="too long"):
        web_push.encrypt(b"x" * (web_push.MAX_PLAINTEXT + 1), keys, SENDER, SALT)


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        (RECEIVER_PUBLIC, "AAAA"),
        (RECEIVER_PUBLIC, "é"),
        (RECEIVER_PUBLIC[:-4], AUTH),
        ("A" * 87, AUTH),
        ("", AUTH),
        ("B" + "A" * 86, AUTH),  # a point that is not on the curve
    ],
)
def test_keys_that_are_none(p256dh: str, auth: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whoever said it, the message is not ours alone
        web_push.subscriber_keys(p256dh, auth)


def test_tokens_name_the_push_service() -> None:
    field = web_push.vapid("https://push.example.net:8443/p/JzLQ3?x=1", SENDER, "mailto:op@example.org", 1_700_000_000)
    scheme, _, rest = field.partition(" ")
    values = dict(part.split("=", 1) for part in rest.split(", "))
    assert (scheme, values["k"]) == ("vapid", web_push.application_server_key(SENDER))
    claims = jwt.decode(
        values["t"],
        SENDER.public_key(),
        ["ES256"],
        audience="https://push.example.net:8443",
        options={"verify_exp": False},
    )
    # RFC 8292 §2
    assert claims == {
        "aud": "https://push.example.net:8443",
        "exp": 1_700_000_000 + web_push.TOKEN_SECONDS,
        "sub": "mailto:op@example.org",
    }
    assert json.loads(base64.urlsafe_b64decode(values["t"].split(".")[0] + "=="))["alg"] == "ES256"
