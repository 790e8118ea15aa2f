"""GitHub's API as far as the workflows use it: over TLS, with a memory, and a list of all calls."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.workflows.released import Released
from tests.workflows.watched import Watched

REPOSITORY = "team/flights"

ID = 100

# Where every pull request left the default branch.
BASE = "0" * 40

# As many files of a pull request as GitHub lists.
MOST_FILES = 3000

BOT = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class GitHub:
    """One repository as GitHub has it.

    Attributes
    ----------
    calls
        Every call so far, as ``METHOD /path``.
    modes
        Of paths in trees that are no ordinary files.
    files
        What a pull request changes, as GitHub lists it.
    contents
        The files of a commit.
    jobs
        The end of each job of a run.
    uploads
        A run and the folder where it leaves its artifacts, each a folder.
    refuses
        Calls that are answered with 403, by the beginning of their text.
    """

    url: str = ""
    certificate: str = ""
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    artifacts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    blobs: dict[int, bytes] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    rules: dict[str, list[str]] = field(default_factory=dict)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    files: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    contents: dict[str, dict[str, bytes]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    uploads: tuple[int, Path] | None = None
    refuses: tuple[str, ...] = ()
    refusal: str = "Resource not accessible by integration"
    watched: Watched = field(default_factory=Watched)
    released: Released = field(default_factory=Released)

    def open_pull(self, number: int, sha: str, branch: str = "change", fork: int = ID) -> None:
        """Open a pull request; `fork` is the number of the repository that it comes from."""
        owner = "team" if fork == ID else "outsider"
        self.pulls[number] = {
            "number": number,
            "html_url": f"https://github.com/{REPOSITORY}/pull/{number}",
            "state": "open",
            "title": "Change something",
            "head": {
                "sha": sha,
                "ref": branch,
                "label": f"{owner}:{branch}",
                "repo": {"id": fork, "owner": {"login": owner}},
            },
            "base": {"ref": "main", "sha": BASE, "repo": {"id": ID, "default_branch": "main"}},
        }
        self.comments.setdefault(number, [])

    def change(self, number: int, path: str, status: str = "modified", **options: Any) -> None:
        """Let a pull request change a file: `before` and `after` are its contents."""
        entry = {"filename": path, "status": status}
        entry |= {name: options.pop(name) for name in ("previous_filename",) if name in options}
        self.files.setdefault(number, []).append(entry)
        head = self.pulls[number]["head"]["sha"]
        for commit, content in ((BASE, options.get("before")), (head, options.get("after"))):
            if content is not None:
                self.contents.setdefault(commit, {})[path] = content
        if "mode" in options:
            self.modes[path] = options["mode"]
            self.trees.setdefault(head, {})[path] = "0" * 40

    def add_comment(self, number: int, body: str, user: Mapping[str, str] = BOT) -> int:
        identity = 1000 + sum(map(len, self.comments.values()))
        self.comments[number].append(
            {
                "id": identity,
                "body": body,
                "user": dict(user),
                "html_url": f"{self.url}/{REPOSITORY}/pull/{number}#issuecomment-{identity}",
            }
        )
        return identity

    def add_artifact(self, run: int, name: str, archive: bytes, **fields: Any) -> None:
        identity = 500 + len(self.blobs)
        self.blobs[identity] = archive
        entry = {"id": identity, "name": name, "size_in_bytes": len(archive), "expired": False}
        self.artifacts.setdefault(run, []).append(entry | fields)

    def add_report(self, run: int, report: Any) -> None:
        """Add the artifact that a run of pull-request.yml leaves."""
        self.add_artifact(run, "report", archive({"report.json": json.dumps(report)}))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """Return the status and JSON of a call."""
        if f"{method} {path}".startswith(self.refuses or ("nothing",)):
            return 403, {"message": self.refusal}
        parts = self.watched.routes(self.pulls) | self.released.routes()
        for pattern, act in (parts | self._routes()).items():
            verb, _, place = pattern.partition(" ")
            if verb == method and (found := re.fullmatch(place, path)):
                return act(found.groups(), query, body)
        return 404, {"message": "Not Found"}

    def _routes(self) -> dict[str, Callable[..., Any]]:
        return {
            "GET pulls": self._list_pulls,
            r"GET pulls/(\d+)": lambda at, *_: self._found(self._pull(int(at[0]))),
            r"GET pulls/(\d+)/files": lambda at, query, _: (
                200,
                page(self.files.get(int(at[0]), [])[:MOST_FILES], query),
            ),
            "GET contents/(.+)": self._content,
            r"GET issues/(\d+)/comments": self._list_comments,
            r"POST issues/(\d+)/comments": self._create_comment,
            r"PATCH issues/comments/(\d+)": self._update_comment,
            r"GET actions/runs/(\d+)/artifacts": self._list_artifacts,
            r"GET actions/artifacts/(\d+)/zip": self._redirect,
            r"GET actions/runs/\d+/jobs": lambda *_: (
                200,
                {"jobs": [{"name": name, "conclusion": end} for name, end in self.jobs.items()]},
            ),
            "GET branches/(.+)": lambda at, *_: (
                200,
                {"name": at[0], "protected": at[0] in self.protected},
            ),
            "GET rules/branches/(.+)": lambda at, *_: (
                200,
                [{"type": kind} for kind in self.rules.get(at[0], [])],
            ),
            "GET git/trees/(.+)": lambda at, *_: (
                200,
                {
                    "tree": [
                        {
                            "path": path,
                            "type": "blob",
                            "sha": sha,
                            "mode": self.modes.get(path, "100644"),
                        }
                        for path, sha in (self.trees.get(at[0]) or self.watched.tree(at[0])).items()
                    ]
                },
            ),
        }

    def _pull(self, number: int) -> dict[str, Any] | None:
        pull = self.pulls.get(number)
        return pull and pull | {"changed_files": len(self.files.get(number, []))}

    def _content(self, at: Any, query: Mapping[str, str], _: Any) -> Any:
        found = self.contents.get(query["ref"], {}).get(at[0])
        if found is None:
            found = self.watched.file(at[0], query["ref"])
        return (200, found) if found is not None else (404, {"message": "Not Found"})

    def _found(self, value: Any) -> Any:
        return (200, value) if value else (404, {"message": "Not Found"})

    def _list_pulls(self, _: Any, query: Mapping[str, str], __: Any) -> Any:
        found = [
            pull
            for pull in self.pulls.values()
            if query.get("state", "open") in ("all", pull["state"])
            and pull["head"]["label"] == query.get("head", pull["head"]["label"])
        ]
        return 200, page(found, query)

    def _list_comments(self, at: Any, query: Mapping[str, str], _: Any) -> Any:
        return 200, page(self.comments[int(at[0])], query)

    def _create_comment(self, at: Any, _: Any, body: Any) -> Any:
        if len(body["body"]) > 65_536:
            return 422, {"message": "Body is too long (maximum is 65536 characters)"}
        self.add_comment(int(at[0]), body["body"])
        return 201, self.comments[int(at[0])][-1]

    def _update_comment(self, at: Any, _: Any, body: Any) -> Any:
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == int(at[0]):
                    comment["body"] = body["body"]
                    return 200, comment
        return 404, {"message": "Not Found"}

    def _list_artifacts(self, at: Any, query: Mapping[str, str], _: Any) -> Any:
        run = int(at[0])
        if self.uploads and self.uploads[0] == run and run not in self.artifacts:
            for folder in self.uploads[1].iterdir():
                self.add_artifact(run, folder.name, archive(files_in(folder)))
        return 200, {"artifacts": page(self.artifacts.get(run, []), query)}

    def _redirect(self, at: Any, *_: Any) -> Any:
        # As GitHub does: the bytes are on another host, which must not see the token.
        return 302, f"{self.url.replace('localhost', '127.0.0.1')}/blobs/{at[0]}"


def page(entries: list[Any], query: Mapping[str, str]) -> list[Any]:
    size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
    return entries[size * (number - 1) : size * number]


def files_in(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def archive(entries: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


@contextmanager
def serving(folder: Path) -> Iterator[GitHub]:
    """Serve a GitHub with nothing in it until the block ends."""
    certificate, key = make_certificate(folder)
    github = GitHub(certificate=str(certificate))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(github))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    github.url = github.released.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def handler_of(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            size = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(size)
            is_file = parts.path.endswith("/assets")  # of a release: as it is
            body = (sent if is_file else json.loads(sent)) if size else None
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            signed = "Authorization" in self.headers
            if path.startswith("/blobs/"):
                github.calls.append(f"GET /blobs{' with the token' if signed else ''}")
                return self.send(200, github.blobs[int(path.split("/")[2])])
            place = re.sub(f"^/api/(v3/repos/{REPOSITORY}/|v3/)?", "", path)
            github.calls.append(f"{self.command} {place}")
            if not signed:
                return self.send(401, b'{"message": "Requires authentication"}')
            status, answer = github.answer(self.command, place, query, body)
            if status == 302:
                return self.send(302, b"", Location=answer)
            if isinstance(answer, bytes):
                return self.send(status, answer)
            return self.send(status, b"" if status == 204 else json.dumps(answer).encode())

        def send(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = respond  # noqa: N815

    return Handler


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine and its key, for a day."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    addresses = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
