"""Checks of this clone: dvc.lock, the data remote, owners, hooks, the live target."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.repository.committed import check_repository
from slipway.repository.git import git, names
from slipway.repository.merge_driver import configured, install, program
from slipway.repository.pointers import POINTER
from slipway.repository.worktrees import run
from slipway.setup.doctor.codeowners import owners
from slipway.setup.doctor.finding import Finding, Repair
from slipway.setup.doctor.registry import Context, check, last_line

# Prints the objects that the remote does not have, by output. In a subprocess: each store has its
# own exceptions, and its method `exists` returns False if the store cannot be reached.
ABSENT = """\
import json
from dvc.repo import Repo
repo = Repo()
remote = repo.cloud.get_remote_odb(hash_name="md5")

def absent(name):
    try:
        remote.fs.info(remote.oid_to_path(name))
    except FileNotFoundError:
        return [""]
    if not name.endswith(".dir"):
        return []
    listing = json.loads(remote.fs.cat_file(remote.oid_to_path(name)))
    there = set(remote.oids_exist([entry["md5"] for entry in listing]))
    return sorted(entry["relpath"] for entry in listing if entry["md5"] not in there)

outs = [out for out in repo.index.outs if out.use_cache and out.hash_info]
print(json.dumps({out.def_path: absent(out.hash_info.value) for out in outs}))
"""

# Writes an object and removes it. The remote's folder, or parents of it, may not exist yet.
PROBE = """\
import uuid
from dvc.repo import Repo
remote = Repo().cloud.get_remote()
fs, folder, name = remote.fs, remote.path, f"slipway-doctor-{uuid.uuid4().hex}"
while True:
    probe = fs.join(folder, name)
    try:
        fs.pipe_file(probe, b"")
        break
    except FileNotFoundError:
        if fs.parent(folder) == folder:
            raise
        folder = fs.parent(folder)
try:
    fs.rm_file(probe)
except Exception as error:
    print(f"{probe} was written, and cannot be removed: {error}")
"""

# Where DVC's errors about files that it reads come from.
UNREADABLE = ("dvc.utils.strictyaml", "dvc.utils.serialize")

PUSH = "`dvc push` on a machine that has the files"


@check(
    "settings",
    reason="each command that reads params.yaml stops",
    fix="correct it; the comments of params.yaml describe the settings",
)
def settings(at: Context) -> Finding:
    if isinstance(at.params, SlipwayError):
        return Finding("wrong", "; ".join(str(at.params).splitlines()), at.params.do)
    return Finding("ok", "params.yaml is valid")


@check(
    "dvc-files",
    reason="a commit must not decide where DVC writes, or what it runs",
    fix="undo the change that the message names",
)
def dvc_files(at: Context) -> Finding:
    try:
        check_repository(at.root)
    except SlipwayError as error:
        return Finding("wrong", str(error), error.do)
    return Finding("ok", "the files of DVC are safe to use")


@check(
    "lock",
    reason="a pull request with a stale lock cannot be merged, and a release stops",
    fix="`dvc repro`, then commit dvc.lock with reports/; or run the workflow *Update lock*",
    needs=("dvc",),
)
def lock(at: Context) -> Finding:
    try:
        stages: dict[str, list[object]] = json.loads(run(["dvc", "status", "--json"], at.root))
    except ValueError as error:
        raise SlipwayError(f"`dvc status`: {error}") from None
    except SlipwayError as error:  # a file that is not YAML, or has other parts than DVC writes
        reason = " ".join(str(error).split())[:300]
        return Finding("wrong", reason, "correct or restore the file that it names, with git")
    changed = sorted({name for parts in stages.values() for name in _modified(parts)})
    if changed:
        return Finding("wrong", f"dvc.lock is stale: {', '.join(changed[:5])} changed")
    return Finding("ok", "dvc.lock is up to date")


@check(
    "data-pushed",
    reason="others fetch a hash without its files",
    fix=PUSH,
    needs=("dvc",),
)
def data_pushed(at: Context) -> Finding:
    return _pushed(at, "the data of data.dvc", lambda name: name == POINTER.stem)


@check(
    "model-pushed",
    reason="the checks, a deployment and a comparison fetch the model of dvc.lock",
    fix=PUSH,
    needs=("dvc",),
)
def model_pushed(at: Context) -> Finding:
    return _pushed(at, "the outputs of dvc.lock", lambda name: name != POINTER.stem)


@check(
    "remote-writable",
    reason="`dvc push` fails, so others fetch a hash without its files",
    fix="use credentials that may write: docs/remotes.md",
    needs=("dvc",),
)
def remote_writable(at: Context) -> Finding:
    try:
        left = run([sys.executable, "-c", PROBE], at.root).strip()
    except SlipwayError as error:
        return Finding("wrong", f"the DVC remote cannot be written: {last_line(error)}")
    if left:
        return Finding("note", left, "remove it")
    return Finding("ok", "the DVC remote can be written")


@check(
    "remote-committed",
    reason="the remote is a folder of this repository: what is not committed is not pushed",
    fix="`git add` the folder, then commit",
    needs=("dvc",),
)
def remote_committed(at: Context) -> Finding:
    folder = _embedded_remote(at.root)
    if folder is None:
        return Finding("ok", "the DVC remote is not in this repository")
    listed = ("status", "--porcelain", "-z", "--untracked-files=all", "--", str(folder))
    if changed := names(at.root, *listed):
        what = f"{folder}/ has {counted(len(changed), 'file')} not committed"
        return Finding("wrong", what, f"`git add {folder}`, then commit")
    return Finding("ok", f"{folder}/ is committed")


@check(
    "codeowners",
    reason="files that decide how a pull request is judged can be changed without an approval",
    fix="`slipway doctor --write-codeowners @org/team`",
)
def codeowners(at: Context) -> Finding:
    return owners(at.root)


@check(
    "lint-hook",
    reason="what CI refuses is found after the push",
    fix="`pre-commit install`",
)
def lint_hook(at: Context) -> Finding:
    if (_hooks_folder(at.root) / "pre-commit").exists():
        return Finding("ok", "git runs the checks before each commit")
    return Finding("note", "no hook runs the checks before a commit")


@check(
    "dvc-hooks",
    reason="a hook of DVC runs without a command, and may do more or less than you want",
    fix="add or remove it: docs/doctor.md#hooks-of-dvc",
)
def dvc_hooks(at: Context) -> Finding:
    folder = _hooks_folder(at.root)
    if _runs_dvc(folder / "post-checkout"):
        return Finding(
            "note",
            "DVC's hook post-checkout writes the files that a commit names, without the checks of "
            "`slipway restore`",
            f"`rm {folder / 'post-checkout'}`",
        )
    if _runs_dvc(folder / "pre-push"):
        return Finding("ok", "`git push` runs `dvc push` first")
    if _embedded_remote(at.root) is not None:
        return Finding("ok", "the DVC remote is pushed with git")
    return Finding("note", "`git push` does not run `dvc push` first")


@check(
    "merge-driver",
    reason="two branches that each add a file to data/ are in conflict",
    fix="`make setup`",
)
def merge_driver(at: Context) -> Finding:
    repair = Repair("configure DVC as the merge driver of data.dvc", lambda: install(at.root))
    attribute = git(at.root, "check-attr", "merge", "--", str(POINTER)).split()[-1]
    if attribute != "dvc":
        return Finding(
            "note",
            f"`.gitattributes` does not name the merge driver of {POINTER}",
            f"add the line `{POINTER} merge=dvc`",
        )
    command = configured(at.root)
    if not command:
        return Finding("note", f"{POINTER} has no merge driver in this clone", repair=repair)
    if "/" in program(command) and not Path(program(command)).is_file():
        return Finding("note", f"the merge driver is not there: {program(command)}", repair=repair)
    return Finding("ok", f"git merges {POINTER} by `{program(command)}`")


@check(
    "live-target",
    reason="the service does not answer, or not as it should",
    fix="`slipway status`",
)
def live_target(at: Context) -> Finding:
    from slipway.targets import find_target

    name = at.settings.deploy.target
    target = find_target(name, at.settings)
    if target.needs_access:
        show = "`slipway status` shows the live release"
        return Finding("note", f"the target {name} is not checked from here", show)
    status = target.status()
    if not status.live:
        do = "`slipway build --image`, then deploy"
        return Finding("note", f"nothing is live on {status.engine}", do)
    if not status.healthy or status.problems:
        problems = "; ".join(status.problems) or status.live.health
        return Finding("wrong", f"the live service is not healthy: {problems}")
    return Finding("ok", f"{status.live.record.name} is live and healthy on {status.engine}")


def _pushed(at: Context, what: str, wanted: Callable[[str], bool]) -> Finding:
    """Return whether the remote has the stored outputs whose path is wanted."""
    try:
        outputs = {name: files for name, files in _absent(at).items() if wanted(name)}
    except SlipwayError as error:
        reason = last_line(error)
        if any(module in reason for module in UNREADABLE):
            return Finding("unknown", f"not checked: {reason}", "correct the file that it names")
        return Finding(
            "wrong",
            f"the DVC remote cannot be reached: {reason}",
            "check its address and your credentials: docs/remotes.md",
        )
    if not outputs:
        return Finding("wrong", f"no hash names {what}", "`dvc add data`, then `dvc repro`")
    absent = [f"{name}/{file}".rstrip("/") for name, files in outputs.items() for file in files]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return Finding("wrong", f"the DVC remote does not have {absent[0]}{more}")
    return Finding("ok", f"the DVC remote has {what}")


def _absent(at: Context) -> dict[str, list[str]]:
    """Return the files that the remote does not have, by stored output; asks once."""
    if at.absent is None:
        try:
            at.absent = dict(json.loads(run([sys.executable, "-c", ABSENT], at.root)))
        except SlipwayError as error:
            at.absent = error
    if isinstance(at.absent, SlipwayError):
        raise at.absent
    return at.absent


def _embedded_remote(root: Path) -> Path | None:
    """Return the folder of DVC's default remote, relative to the repository; None if elsewhere."""
    from dvc.config import Config, ConfigError

    try:
        config = Config(str((root / ".dvc").resolve()))
    except ConfigError as error:
        raise SlipwayError(f"DVC cannot read its settings: {error}", "see `dvc config`") from None
    remote = config["remote"].get(config["core"].get("remote", ""), {})
    place = Path(str(remote.get("url", "")))
    if not place.is_absolute() or not place.is_relative_to(root.resolve()):
        return None
    return place.relative_to(root.resolve())


def _hooks_folder(root: Path) -> Path:
    """Return the folder of the user's hooks; `slipway.repository.git` disables them for itself."""
    settings = ("--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
    listed = git(root, "config", *settings).removesuffix("\0").split("\0")
    pairs = zip(listed[::2], listed[1::2], strict=True)
    own = [path for scope, path in pairs if scope != "command"]
    common = git(root, "rev-parse", "--git-common-dir").strip()
    return root / (own[-1] if own else f"{common}/hooks")


def _runs_dvc(hook: Path) -> bool:
    return hook.is_file() and f"dvc git-hook {hook.name}" in hook.read_text("utf-8", "replace")


def _modified(parts: list[object]) -> Iterator[str]:
    """Yield the changed inputs of a stage; files that were not restored yet are not changes."""
    for part in parts:
        if part == "changed command":
            yield "its command"
            continue
        if not isinstance(part, dict):
            raise SlipwayError(f"`dvc status` reports {part!r}, which is not expected")
        for name, state in part.get("changed deps", {}).items():
            if isinstance(state, dict):
                yield from (f"{name}: {key}" for key in state)
            elif state == "modified":
                yield name
