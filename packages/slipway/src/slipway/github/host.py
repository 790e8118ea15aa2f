"""Connect a job to the host of an environment: the runner's own Docker, SSH or a cluster.

A key is a secret of the environment. It is written to files that only this user can read, and is
never passed to a shell of the workflow.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.targets import TARGETS, Access
from slipway.texts import read_text

SSH = re.compile(
    r"ssh://(?:\w[\w.-]*@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d+))?"
)

INCLUDE = "Include slipway.config\n"

SETTINGS = """\
Host {host}
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known}
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 20
    ServerAliveInterval 15
"""

GUIDE = "docs/release.md"


@dataclass(frozen=True)
class Host:
    """The host of an environment.

    Attributes
    ----------
    to
        Target for ``slipway deploy --to``.
    address, kubeconfig
        Values of DOCKER_HOST and KUBECONFIG; empty for those of the runner.
    dry_run
        Whether no host is set: the release runs on the runner's own Docker and is then removed.
    """

    to: str
    address: str = ""
    kubeconfig: str = ""
    dry_run: bool = False


def connect(environment: str, given: Mapping[str, str], home: Path, *, dry_run: bool) -> Host:
    """Write the credentials of an environment's host and return how to reach it.

    Parameters
    ----------
    environment
        Its name, for messages.
    given
        Environment variables: SLIPWAY_TARGET, SLIPWAY_SSH_KEY, SLIPWAY_KNOWN_HOSTS and
        SLIPWAY_KUBECONFIG.
    home
        Folder of the user; the key and the settings are written below it.
    dry_run
        Whether to use the runner's own Docker if SLIPWAY_TARGET is not set.

    Raises
    ------
    SlipwayError
        The target or a secret is missing or invalid.
    """
    target = given.get("SLIPWAY_TARGET", "").strip()
    if not target and not dry_run:
        raise SlipwayError(
            f"no host is set for {environment}",
            f"set the variable {variable(environment)} of the repository ({GUIDE})",
        )
    if not target:
        return Host("local", dry_run=True)
    access = TARGETS[target].access if target in TARGETS else Access.ADDRESS
    if access is Access.KUBECONFIG:
        return Host(target, kubeconfig=_write_kubeconfig(given, home))
    if access is Access.RUNNER:
        return Host(target)
    server = SSH.fullmatch(target)
    if not server:
        raise SlipwayError(
            f"{variable(environment)} is {target!r}",
            f"set it to ssh://user@host or to one of {_named()}; see {GUIDE}",
        )
    _write_ssh(environment, server["host"].strip("[]"), server["port"], given, home / ".ssh")
    return Host("host", address=target)


def _named() -> str:
    """Return the targets that a variable may name; of a server it has the address."""
    return ", ".join(name for name, entry in TARGETS.items() if entry.access is not Access.ADDRESS)


def variable(environment: str) -> str:
    return f"SLIPWAY_{environment.upper()}_TARGET"


def dry_run_notice(environment: str) -> tuple[str, str]:
    """Return what a dry run does and how to set a host: a title and a paragraph."""
    title = f"No host is set for {environment}: this is a dry run on the runner's own Docker"
    return title, (
        "The release runs on the runner and is removed at the end. To deploy to a server with "
        f"Docker, set the variable {variable(environment)} to ssh://user@host and, in the "
        f"environment {environment}, the secrets SLIPWAY_SSH_KEY and SLIPWAY_KNOWN_HOSTS. To "
        "deploy to a cluster, set it to kubernetes. Step by step: docs/release.md."
    )


def skipped_notice(environment: str) -> tuple[str, str]:
    return (
        f"{environment.capitalize()} is skipped: no host is set for it",
        f"Set the variable {variable(environment)} of the repository; see {GUIDE}.",
    )


def _write_ssh(
    environment: str, host: str, port: str | None, given: Mapping[str, str], folder: Path
) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, known = folder / "slipway.key", folder / "slipway.known_hosts"
    _write_secret(key, _required(given, "SLIPWAY_SSH_KEY", environment))
    _write_secret(known, _required(given, "SLIPWAY_KNOWN_HOSTS", environment))
    if not _ssh_keygen("-y", "-P", "", "-f", str(key)):
        raise SlipwayError(
            "SLIPWAY_SSH_KEY is not a private key without a passphrase",
            f"paste the whole file, from BEGIN to END, of a key made only for this; see {GUIDE}",
        )
    named = f"[{host}]:{port}" if port and port != "22" else host
    if not _ssh_keygen("-F", named, "-f", str(known)):
        raise SlipwayError(
            f"SLIPWAY_KNOWN_HOSTS has no key of {named}, so the server cannot be identified",
            f"compare the fingerprint with the server's, then paste the output of "
            f"`ssh-keyscan {f'-p {port} ' if port else ''}{host}`",
        )
    (folder / "slipway.config").write_text(
        SETTINGS.format(host=host, key=key, known=known), "utf-8"
    )
    config = folder / "config"
    present = read_text(config) if config.exists() else ""
    if INCLUDE not in present:  # at the top: ssh uses the first value of an option
        config.write_text(INCLUDE + present, "utf-8")


def _write_kubeconfig(given: Mapping[str, str], home: Path) -> str:
    """Write the kubeconfig of the secret; return "" without one: a step before may set it up."""
    if not given.get("SLIPWAY_KUBECONFIG", "").strip():
        return ""
    path = home / ".kube" / "slipway.config"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_secret(path, given["SLIPWAY_KUBECONFIG"])
    return str(path)


def _required(given: Mapping[str, str], name: str, environment: str) -> str:
    if not given.get(name, "").strip():
        raise SlipwayError(
            f"{name} is not set",
            f"add it to the environment {environment} (Settings → Environments); see {GUIDE}",
        )
    return given[name]


def _write_secret(path: Path, text: str) -> None:
    """Write a pasted secret with the line ends that ssh requires, readable by this user only."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text.replace("\r\n", "\n").strip() + "\n", "utf-8")


def _ssh_keygen(*arguments: str) -> bool:
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise SlipwayError(
            "`ssh-keygen` is not installed", "install it: apt install openssh-client"
        ) from None
    return done.returncode == 0 and bool(done.stdout)
