"""The demo as a command: start everything, say how to use it or check it, end cleanly."""

import argparse
import signal
import sys
import time

from gateway.demo.check import check
from gateway.demo.client import JmapClient
from gateway.demo.load import LoadError
from gateway.demo.process import LOOPBACK, ServerError, free_port, listening
from gateway.demo.servers import USERS, Demo, running_demo

DEFAULT_PORT = 8080


def run(args: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C or SIGTERM, or until its check is done; the exit status.

    0: ended as asked, or the check passed. 1: the check failed or a server did not start.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a background job of a shell inherits it as ignored
        signal.signal(number, signal.default_int_handler)
    port = args.port or (free_port() if args.check else DEFAULT_PORT)
    if listening(port):
        _say(f"Port {port} is taken; choose another one with --port.")
        return 1
    started = time.monotonic()
    try:
        with running_demo(port, args.keep) as demo:
            loaded = sum(demo.messages.values())
            _say(f"Started in {time.monotonic() - started:.1f} s, {loaded} messages loaded.")
            return _run_check(demo) if args.check else _serve(demo)
    except (ServerError, LoadError, OSError) as error:
        _say(f"The demo cannot run: {error}")
        return 1
    except KeyboardInterrupt:
        _say("\nEnded." + (" The servers' files were kept." if args.keep else ""))
        return 0


def _run_check(demo: Demo) -> int:
    if check(demo, _say):
        _say("PASS")
        return 0
    _say(f"{demo.gateway.tail()}\nFAIL")
    return 1


def _serve(demo: Demo) -> int:
    _say(_welcome(demo))
    while demo.gateway.running():
        time.sleep(0.2)
    _say(f"The gateway ended by itself.\n{demo.gateway.tail()}")
    return 1


def _welcome(demo: Demo) -> str:
    client = JmapClient(demo.url, "alice", USERS["alice"])
    login = f"curl -sL -u alice:{USERS['alice']}"
    using = '"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"]'
    post = f"{login} -H 'Content-Type: application/json' {client.api_url} -d"
    mailboxes = f'{{{using},"methodCalls":[["Mailbox/get",{{"accountId":"{client.account}","ids":null}},"0"]]}}'
    search = (
        f'{{{using},"methodCalls":[["Email/query",{{"accountId":"{client.account}","filter":{{"text":"door"}}}},"0"],'
        f'["Email/get",{{"accountId":"{client.account}","#ids":{{"resultOf":"0","name":"Email/query","path":"/ids"}},'
        '"properties":["subject","from","preview"]},"1"]]}'
    )
    backends = demo.backends
    imap, submission = f"{LOOPBACK}:{backends.dovecot.imap}", f"{LOOPBACK}:{backends.submission}"
    return f"""
JMAP      {demo.url}/.well-known/jmap
Login     {", ".join(USERS)}; the password is "{USERS["alice"]}"
Behind    IMAP {imap}, submission {submission}, CalDAV and CardDAV {backends.radicale.url}
Files     {demo.directory}

{login} {demo.url}/.well-known/jmap
{post} '{mailboxes}'
{post} '{search}'

Ctrl-C ends it."""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
