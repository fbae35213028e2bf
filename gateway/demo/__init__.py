"""`jmap-gateway demo`: the gateway with servers and a sample account of its own, on loopback only.

It needs the extra `demo` (Radicale, aiosmtpd) and an installed Dovecot; nothing but this module is imported without.
"""

import argparse
import importlib.util
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `demo`."""
    parser.add_argument("--port", type=int, help="port of the gateway (default: 8080)")
    parser.add_argument("--check", action="store_true", help="make a few JMAP calls, say PASS or FAIL, and end")
    parser.add_argument("--keep", action="store_true", help="leave the servers' files behind")


def run(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C or SIGTERM, or until its check is done; the exit status.

    0: ended as asked, or the check passed. 1: the check failed or a server did not start.
    """
    missing = [name for name in ("aiosmtpd", "radicale") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"The demo needs {' and '.join(missing)}: pip install 'jmap-gateway[demo]'\n")
        return 1
    from gateway.demo import command  # noqa: PLC0415 - it imports what only the extra installs

    return command.run(args)
