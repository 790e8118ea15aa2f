"""Connect a job to the stores of data, log, labels and batches, if possible without a stored key.

GitHub signs a token for a job with the permission ``id-token: write``; a cloud that trusts it
returns credentials for an hour. They are set for the later steps of the job. docs/cloud.md
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.github.answers import Answer
from slipway.github.api import Api
from slipway.github.az import az

GUIDE = "docs/cloud.md"

SETTING, KEYS = "SLIPWAY_STORE", "SLIPWAY_STORE_KEYS"

# Names in the variable, and in the secret.
SETTINGS = {
    *("AWS_ROLE_ARN", "AWS_REGION", "AWS_ENDPOINT_URL"),
    *("GOOGLE_PROVIDER", "GOOGLE_SERVICE_ACCOUNT"),
    *("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_STORAGE_ACCOUNT"),
}
SECRETS = {
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"),
}

PASSED_ON = {"AWS_REGION", "AWS_ENDPOINT_URL"}

AZURE_SCOPE = "https://storage.azure.com/.default"
AZURE_AUDIENCE = "api://AzureADTokenExchange"


@dataclass
class Access:
    """Environment variables for the later steps, those of them to mask, and a message."""

    environment: dict[str, str] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)
    message: str = "no store is set"


class Token(Answer):
    """A token of GitHub that a cloud exchanges."""

    value: str


@dataclass(frozen=True)
class Job:
    """Where a job requests tokens and keeps files: its environment, folders of runner and user."""

    given: Mapping[str, str]
    temporary: Path
    home: Path

    @property
    def address(self) -> str:
        return self.given.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")

    @property
    def bearer(self) -> str:
        return self.given.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")

    def token(self, audience: str) -> str:
        """Return a token of GitHub for an audience; it is valid for some minutes."""
        found = Api(self.address, "", self.bearer).get(f"{self.address}&audience={audience}")
        return Token.of(found).value


def connect(job: Job) -> Access:
    """Return what the later steps need for the stores.

    Raises
    ------
    SlipwayError
        A line of the variable or of the secret is not valid, or the cloud refuses.
    """
    settings = _lines(SETTING, job.given.get(SETTING, ""), SETTINGS)
    access = Access()
    keys = job.given.get(KEYS, "").strip()
    if keys.startswith("-----BEGIN"):
        access.message = _write_key(job.home / ".ssh/id_ed25519", keys)
    elif keys:
        access.environment |= _lines(KEYS, keys, SECRETS)
        access.secret |= set(access.environment)
        access.message = "the keys of the secret are used"
    exchanges = {"AWS_ROLE_ARN": _aws, "GOOGLE_PROVIDER": _google, "AZURE_CLIENT_ID": _azure}
    wanted = [exchange for name, exchange in exchanges.items() if settings.get(name)]
    access.environment |= {
        name: value for name, value in settings.items() if name in PASSED_ON and value
    }
    if "AZURE_STORAGE_ACCOUNT" in settings:
        access.environment |= _azure_account(settings["AZURE_STORAGE_ACCOUNT"])
    if wanted and not job.address:
        access.message = (
            "GitHub gives this job no token (a pull request of a fork, or no `id-token: write`): "
            "the store is read without credentials"
        )
        return access
    for exchange in wanted:
        exchange(job, settings, access)
    return access


def _lines(name: str, text: str, known: set[str]) -> dict[str, str]:
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals or key not in known:
            raise SlipwayError(
                f"{name}: a line begins with {key[:30]!r}"
                if equals
                else f"{name}: a line has no equals sign",
                f"write lines NAME=VALUE with these names: {', '.join(sorted(known))}; see {GUIDE}",
            )
        found[key] = value.strip()
    return found


def _required(settings: Mapping[str, str], name: str) -> str:
    if not settings.get(name):
        raise SlipwayError(f"{SETTING} has no {name}", f"add the line {name}=…; see {GUIDE}")
    return settings[name]


def _aws(job: Job, settings: Mapping[str, str], access: Access) -> None:
    """Exchange the token for the credentials of a role, which are valid for an hour."""
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    role, region = settings["AWS_ROLE_ARN"], _required(settings, "AWS_REGION")
    client = botocore.session.get_session().create_client(
        "sts", region_name=region, config=Config(signature_version=UNSIGNED)
    )
    try:
        found = client.assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName=f"slipway-{job.given.get('GITHUB_RUN_ID', '0')}",
            WebIdentityToken=job.token("sts.amazonaws.com"),
        )["Credentials"]
    except (BotoCoreError, ClientError) as error:
        raise SlipwayError(
            f"AWS does not give the role {role} to this job: {error}",
            f"compare the trust policy of the role with {GUIDE}",
        ) from None
    names = {
        "AWS_ACCESS_KEY_ID": "AccessKeyId",
        "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
        "AWS_SESSION_TOKEN": "SessionToken",
    }
    access.environment |= {name: str(found[part]) for name, part in names.items()}
    access.secret |= set(names)
    access.message = f"AWS: the role {role}, for an hour"


def _google(job: Job, settings: Mapping[str, str], access: Access) -> None:
    """Write the file by which Google's libraries request and exchange tokens themselves."""
    account = _required(settings, "GOOGLE_SERVICE_ACCOUNT")
    audience = f"//iam.googleapis.com/{settings['GOOGLE_PROVIDER']}"
    content = {
        "type": "external_account",
        "audience": audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/"
        f"serviceAccounts/{account}:generateAccessToken",
        "credential_source": {
            "url": f"{job.address}&audience=https:{audience}",
            "headers": {"Authorization": f"Bearer {job.bearer}"},
            "format": {"type": "json", "subject_token_field_name": "value"},
        },
    }
    path = job.temporary / "slipway-google.json"
    _write_private(path, json.dumps(content))
    access.environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)
    access.message = f"Google: the service account {account}"


def _azure(job: Job, settings: Mapping[str, str], access: Access) -> None:
    """Log in with Azure's command, which keeps a token for the storage for an hour."""
    client, tenant = settings["AZURE_CLIENT_ID"], _required(settings, "AZURE_TENANT_ID")
    login = ["login", "--service-principal", "--username", client, "--tenant", tenant]
    login += ["--federated-token", job.token(AZURE_AUDIENCE), "--allow-no-subscriptions"]
    az(*login, "--output", "none")
    az("account", "get-access-token", "--scope", AZURE_SCOPE, "--output", "none")
    access.message = f"Azure: the application {client}, for an hour"


def _azure_account(account: str) -> dict[str, str]:
    """Return the names by which DVC and adlfs read the account; adlfs is anonymous otherwise."""
    return {
        "AZURE_STORAGE_ACCOUNT": account,
        "AZURE_STORAGE_ACCOUNT_NAME": account,
        "AZURE_STORAGE_ANON": "false",
    }


def _write_key(path: Path, text: str) -> str:
    if path.exists():
        return f"{path} exists and is used"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(path, text.replace("\r\n", "\n").strip() + "\n")
    return f"SSH: the key of the secret is {path}"


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def job_of_environment() -> Job:
    """Return this job."""
    return Job(os.environ, Path(os.environ.get("RUNNER_TEMP") or "."), Path.home())
