"""Part of the composition root: who judges S/MIME signatures (RFC 9219), by the configuration."""

import importlib.util

from adapters.ports.signatures import SignatureJudge
from adapters.smime.lazy import LazyJudge
from gateway.config import Config
from gateway.config_reader import ConfigError

EXTRA = "smime-revocation"


def signature_judge(config: Config) -> SignatureJudge | None:
    """The judge, None where signatures aren't verified. Raises ConfigError for what would fail later."""
    smime = config.smime
    if not smime.enabled:
        return None
    problems = [
        f"smime.{key}: {path} does not exist"
        for key, path in (("trust_anchors", smime.trust_anchors), ("revocation_lists", smime.revocation_lists))
        if path is not None and not path.exists()
    ]
    if smime.revocation != "off" and importlib.util.find_spec("pyhanko_certvalidator") is None:
        problems.append(f"smime.revocation: needs the extra jmap-gateway[{EXTRA}]")
    if problems:
        raise ConfigError(problems)
    return LazyJudge(lambda: _judge(config))


def _judge(config: Config) -> SignatureJudge:
    """Imported here, because the libraries take 10 MB of memory that a gateway without such requests need not have."""
    from adapters.smime.anchors import Anchors  # noqa: PLC0415
    from adapters.smime.judge import Judge  # noqa: PLC0415

    smime = config.smime
    anchors = Anchors(smime.trust_anchors)
    if smime.revocation == "off":
        return Judge(anchors)
    from adapters.smime.revocation import RevocationCheck  # noqa: PLC0415

    check = RevocationCheck(
        is_required=smime.revocation == "hard",
        lists=smime.revocation_lists,
        fetch=smime.revocation_fetch,
        networks=config.egress.networks,
    )
    return Judge(anchors, check)
