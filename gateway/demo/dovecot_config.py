"""The configuration of a private Dovecot 2.3: options in, text out; the one place that writes it.

It runs with or without root; started by root it drops to an ordinary user for the mail, as Dovecot demands.
"""

import getpass
import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.demo.process import LOOPBACK, ServerError

MAIL_USERS = ("vmail", "nobody")
SPECIAL_USE = {
    "Drafts": "\\Drafts",
    "Sent": "\\Sent",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    "Archive": "\\Archive",
}
MAIL_LOCATION = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox"}


@dataclass(frozen=True)
class TlsFiles:
    """Paths of a server's certificate and key, and of the authority that signed it (PEM)."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class DovecotOptions:
    """What a private Dovecot shall be like.

    Args:
        users: name to password. Others exist only if `any_user_password` is set.
        any_user_password: every user name exists, with this password.
        mail_format: key of `MAIL_LOCATION`.
        tls: certificate for STARTTLS and for the port `imaps`; none: no TLS.
        imap_capability: the only IMAP capabilities that are advertised; the commands still work.
        acl: shared mailboxes and the ACL extension.
        virtual_all: a virtual mailbox `Virtual/All` of all messages.
        max_user_connections: IMAP connections per user and address.
        sasl_listener: an authentication port for Postfix.
        relay: `host:port` that Sieve's vacation and redirect send through.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    any_user_password: str | None = None
    mail_format: str = "maildir"
    tls: TlsFiles | None = None
    imap_capability: str | None = None
    acl: bool = False
    virtual_all: bool = False
    max_user_connections: int = 10
    sasl_listener: bool = False
    relay: str | None = None


def mail_owner() -> tuple[int, int]:
    """User and group id that the mail belongs to: this process's own, or an ordinary user's if it is root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for name in MAIL_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ServerError(f"started by root, and none of the users {', '.join(MAIL_USERS)} exists")


def configuration(directory: Path, options: DovecotOptions, ports: Mapping[str, int]) -> str:
    uid, gid = mail_owner()
    sections = [
        _GENERAL.format(
            directory=directory,
            host=LOOPBACK,
            location=MAIL_LOCATION[options.mail_format],
            uid=uid,
            gid=gid,
            connections=options.max_user_connections,
            plugins=" ".join(_plugins(options)),
            imap_plugins=" ".join(_imap_plugins(options)),
        ),
        _services(options, ports),
        _authentication(directory, options, uid, gid),
        _mailboxes(directory, options),
        _tls(options),
        _without_root() if os.geteuid() != 0 else "",
    ]
    if options.imap_capability is not None:
        sections.append(f"imap_capability = {options.imap_capability}\n")
    if options.relay is not None:
        sections.append(f"submission_host = {options.relay}\n")
    return "\n".join(sections)


def _plugins(options: DovecotOptions) -> list[str]:
    plugins = ["quota"]
    plugins += ["acl"] if options.acl else []
    plugins += ["virtual"] if options.virtual_all else []
    return plugins


def _imap_plugins(options: DovecotOptions) -> list[str]:
    return ["imap_quota", *(["imap_acl"] if options.acl else [])]


_GENERAL = """\
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = {directory.name}
log_path = {directory}/mail.log
listen = {host}
protocols = imap lmtp sieve
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
mail_fsync = never
mail_location = {location}
mail_plugins = {plugins}
mail_max_userip_connections = {connections}
mail_attribute_dict = file:%h/dovecot-attributes
mailbox_list_index = yes
imap_metadata = yes
lda_mailbox_autocreate = yes
postmaster_address = postmaster@example.org
hostname = mail.example.org
first_valid_uid = {uid}
first_valid_gid = {gid}
default_vsz_limit = 1G
protocol imap {{
  mail_plugins = $mail_plugins {imap_plugins}
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  quota = count:User quota
  quota_rule = *:storage=1G
  quota_vsizes = yes
  acl = vfile::cache_secs=0
  acl_user = %u
  acl_shared_dict = file:{directory}/shared/mailboxes
}}
"""


def _services(options: DovecotOptions, ports: Mapping[str, int]) -> str:
    sasl = f"  inet_listener sasl {{\n    port = {ports['sasl']}\n  }}\n" if options.sasl_listener else ""
    imaps = f"    port = {ports['imaps']}\n    ssl = yes\n" if options.tls else "    port = 0\n"
    return f"""\
service imap-login {{
  process_min_avail = 1
  inet_listener imap {{
    port = {ports["imap"]}
  }}
  inet_listener imaps {{
{imaps}  }}
}}
service imap {{
  process_limit = 1000
}}
service lmtp {{
  inet_listener lmtp {{
    port = {ports["lmtp"]}
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {ports["managesieve"]}
  }}
}}
service auth {{
{sasl}}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


def _authentication(directory: Path, options: DovecotOptions, uid: int, gid: int) -> str:
    identity = f"uid={uid} gid={gid} home={directory}/home/%u"
    sections = [
        f"passdb {{\n  driver = passwd-file\n  master = yes\n  args = {directory}/master-users\n}}",
        f"passdb {{\n  driver = passwd-file\n  args = username_format=%u {directory}/users\n}}",
    ]
    if options.any_user_password is None:
        sections.append(
            f"userdb {{\n  driver = passwd-file\n  args = username_format=%u {directory}/users\n"
            f"  default_fields = {identity}\n}}"
        )
    else:
        sections.append(f"passdb {{\n  driver = static\n  args = password={options.any_user_password}\n}}")
        sections.append(f"userdb {{\n  driver = static\n  args = allow_all_users=yes {identity}\n}}")
    # Mail for alice@example.org is mail for alice.
    sections.append("auth_username_format = %Ln\n")
    return "\n".join(sections)


def _mailboxes(directory: Path, options: DovecotOptions) -> str:
    roles = "".join(
        f"  mailbox {name} {{\n    special_use = {use}\n    auto = subscribe\n  }}\n"
        for name, use in SPECIAL_USE.items()
    )
    text = f"namespace inbox {{\n  inbox = yes\n  separator = /\n{roles}}}\n"
    if options.acl:
        location = MAIL_LOCATION[options.mail_format].replace("~", "%%h")
        text += (
            "namespace shared {\n  type = shared\n  separator = /\n  prefix = shared/%%u/\n"
            f"  location = {location}:INDEXPVT=~/shared/%%u\n  subscriptions = no\n  list = children\n}}\n"
        )
    if options.virtual_all:
        text += (
            "namespace virtual {\n  prefix = Virtual/\n  separator = /\n"
            f"  location = virtual:{directory}/virtual:INDEX=~/virtual\n  subscriptions = no\n}}\n"
        )
    return text


def _tls(options: DovecotOptions) -> str:
    if options.tls is None:
        return "ssl = no\n"
    return f"ssl = yes\nssl_cert = <{options.tls.certificate}\nssl_key = <{options.tls.key}\n"


def _without_root() -> str:
    """Everything runs as the caller, and nothing may change its root directory."""
    user, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
    services = ("anvil", "imap-login", "managesieve-login", "stats", "lmtp", "dict", "director", "ipc")
    unchrooted = "".join(f"service {name} {{\n  chroot =\n  user = {user}\n}}\n" for name in services)
    return (
        f"default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n{unchrooted}"
    )
