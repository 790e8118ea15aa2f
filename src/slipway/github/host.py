"""Where an environment is: the runner's own engine, a server over SSH, or a cluster.

A key comes as a secret of the environment and goes to files that only this user can read. No
shell of the workflow ever sees it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
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

GUIDE = "see docs/release.md"


@dataclass(frozen=True)
class Host:
    """A place to deploy to.

    Attributes
    ----------
    to
        As ``slipway deploy --to`` takes it.
    address, kubeconfig
        For DOCKER_HOST and KUBECONFIG; empty for those of the runner.
    rehearsal
        Whether nothing is set, so that the runner stands in and stops it all at the end.
    """

    to: str
    address: str = ""
    kubeconfig: str = ""
    rehearsal: bool = False


def prepare(environment: str, given: Mapping[str, str], home: Path, *, rehearse: bool) -> Host:
    """Return where an environment is, ready to be deployed to.

    Parameters
    ----------
    environment
        Its name, for the words.
    given
        SLIPWAY_TARGET says where; SLIPWAY_SSH_KEY, SLIPWAY_KNOWN_HOSTS and SLIPWAY_KUBECONFIG
        let in.
    home
        Under it the key and the settings are written.
    rehearse
        Whether the runner may stand in where nothing is set.

    Raises
    ------
    SlipwayError
        The target is none, or a secret is missing or no good.
    """
    target = given.get("SLIPWAY_TARGET", "").strip()
    if not target and not rehearse:
        title, do = skipped_words(environment)
        raise SlipwayError(title.replace("is skipped", "runs nothing"), do)
    if not target:
        return Host("local", rehearsal=True)
    if target == "local":
        return Host("local")
    if target == "kubernetes":
        return Host("kubernetes", kubeconfig=_write_kubeconfig(given, home))
    found = SSH.fullmatch(target)
    if not found:
        raise SlipwayError(
            f"{variable(environment)} is {target!r}",
            f"it may be ssh://user@host, kubernetes, or local (a runner of your own); {GUIDE}",
        )
    _write_ssh(environment, found["host"].strip("[]"), found["port"], given, home / ".ssh")
    return Host("host", address=target)


def variable(environment: str) -> str:
    return f"SLIPWAY_{environment.upper()}_TARGET"


def rehearsal_words(environment: str) -> tuple[str, str]:
    """Return what a rehearsal is and how it becomes the real thing: a title and a paragraph."""
    title = f"No host is set for {environment}: this is a rehearsal on the runner's own engine"
    return title, (
        "The whole release runs here, and is stopped at the end. To deploy to a server with "
        f"Docker, set the variable {variable(environment)} to ssh://user@host and, in the "
        f"environment {environment}, the secrets SLIPWAY_SSH_KEY and SLIPWAY_KNOWN_HOSTS. To "
        "deploy to a cluster, set it to kubernetes. How, step by step: docs/release.md."
    )


def skipped_words(environment: str) -> tuple[str, str]:
    return (
        f"{environment.capitalize()} is skipped: no host is set for it",
        f"Set the variable {variable(environment)} of the repository; {GUIDE}.",
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
            "SLIPWAY_SSH_KEY is no private key that opens without a passphrase",
            f"paste the whole file, from BEGIN to END, of a key made for this only; {GUIDE}",
        )
    named = f"[{host}]:{port}" if port and port != "22" else host
    if not _ssh_keygen("-F", named, "-f", str(known)):
        raise SlipwayError(
            f"SLIPWAY_KNOWN_HOSTS does not know {named}, so nobody could tell it from another",
            f"put there what `ssh-keyscan {f'-p {port} ' if port else ''}{host}` prints, once you "
            "have compared the fingerprint with the server's",
        )
    (folder / "slipway.config").write_text(
        SETTINGS.format(host=host, key=key, known=known), "utf-8"
    )
    config = folder / "config"
    present = read_text(config) if config.exists() else ""
    if INCLUDE not in present:  # first: ssh takes the first value that it finds
        config.write_text(INCLUDE + present, "utf-8")


def _write_kubeconfig(given: Mapping[str, str], home: Path) -> str:
    """Write the cluster's settings, if they come as a secret; else a step before has them."""
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
            f"it is a secret of the environment {environment} (Settings → Environments); {GUIDE}",
        )
    return given[name]


def _write_secret(path: Path, text: str) -> None:
    """Write a pasted text with line ends as ssh wants them, for this user only."""
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
            "there is no `ssh-keygen` here", "install OpenSSH's client: apt install openssh-client"
        ) from None
    return done.returncode == 0 and bool(done.stdout)
