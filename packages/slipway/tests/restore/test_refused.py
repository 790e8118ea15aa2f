"""A restore writes what a commit names inside the output, or refuses; it touches nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from configobj import ConfigObj
from dvc.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.comparison.champion import tree_of
from slipway.errors import Refused, SlipwayError
from slipway.repository.committed import check_output
from slipway.repository.git import git
from slipway.repository.restore import Missing, restore, restore_here
from slipway.repository.worktrees import copy_of_worktree

MONTH = b"a month\n"

CONFIG = """\
[core]
    remote = storage
['remote "storage"']
    url = ../data-remote
    verify = true
"""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Project:
    """A repository as small as DVC allows, with a remote in it."""

    root: Path

    def store(self, content: bytes, name: str = "") -> str:
        """Put an object into the remote; return its name."""
        name = name or md5(content)
        path = self.root / "data-remote/files/md5" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def name(self, *entries: dict[str, Any], path: str = "data", **more: Any) -> None:
        """Let data.dvc name a folder with these entries."""
        content = json.dumps(list(entries), sort_keys=True).encode()
        listing = self.store(content, f"{md5(content)}.dir")
        self.point({"md5": listing, "hash": "md5", "path": path}, **more)

    def point(self, *outs: dict[str, Any], **more: Any) -> None:
        self.write("data.dvc", yaml.safe_dump({"outs": list(outs), **more}))

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, "utf-8")

    def commit(self) -> None:
        git(self.root, "add", "--all", "--force", "--", ":!.dvc/cache", ":!.dvc/tmp", ":!data")

    def entry(self, relpath: str, content: bytes = MONTH) -> dict[str, Any]:
        return {"md5": self.store(content), "relpath": relpath}

    def outside(self) -> dict[str, bytes]:
        """Return all that a restore of data/ must not touch."""
        return {
            str(path.relative_to(self.root.parent)): path.read_bytes()
            for path in self.root.parent.rglob("*")
            if path.is_file()
            and not path.is_relative_to(self.root / "data")
            and not path.is_relative_to(self.root / "data-remote")
            and not path.is_relative_to(self.root / ".dvc/cache")
            and not path.is_relative_to(self.root / ".dvc/tmp")
            and path != self.root / "data.dvc"
        }


def make_project(folder: Path) -> Project:
    project = Project(folder / "work" / "repository")
    project.root.mkdir(parents=True)
    git(project.root, "init", "-q", "-b", "main")
    project.write(".dvc/config", CONFIG)
    project.write(".gitignore", "/data\n/build\n/.dvc/cache\n/.dvc/tmp\n/.dvc/config.local\n")
    project.write("src/model/code.py", "code\n")
    project.write("reports/metrics.json", "{}\n")
    project.write("dvc.yaml", "stages: {}\n")
    project.name(project.entry("2013-01.parquet"))
    project.commit()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("restore"))


def test_what_a_commit_names_is_written_and_hashed(project):
    (restored,) = restore(project.root, "data.dvc")

    assert (project.root / "data/2013-01.parquet").read_bytes() == MONTH
    (file,) = restored.files
    assert (file.md5, file.sha256) == (md5(MONTH), hashlib.sha256(MONTH).hexdigest())
    assert restored.md5 == yaml.safe_load((project.root / "data.dvc").read_text())["outs"][0]["md5"]


def test_a_file_of_the_user_that_is_in_no_cache_is_kept_unless_forced(project):
    restore_here(project.root, ["data.dvc"])
    (project.root / "data/2013-02.parquet").write_bytes(b"a month that is not added yet")

    with pytest.raises(SlipwayError, match=r"2013-02\.parquet"):
        restore_here(project.root, ["data.dvc"])
    assert (project.root / "data/2013-02.parquet").exists()
    restore_here(project.root, ["data.dvc"], force=True)
    assert [path.name for path in (project.root / "data").iterdir()] == ["2013-01.parquet"]


def test_content_that_is_nowhere_is_missing_and_not_refused(project):
    shutil.rmtree(project.root / "data-remote")
    with pytest.raises(Missing, match="1 object is neither") as error:
        restore(project.root, "data.dvc")
    assert error.value.exit_code == 2


# EXAMPLES=300 draws more, by hand.
EXAMPLES = int(os.environ.get("EXAMPLES") or 12)

NAMES = st.one_of(
    st.sampled_from(
        (
            "../src/sitecustomize.py", "../../outside", "..", ".", "", "/etc/slipway-absolute",
            "a/b", "a\\b", "..\\src\\x.py", "a\0b", "C:x", "c:\\x", "GIT~1", "x.", "x ", "a:stream",
            "./x", "../data/x", "sub/../x", "../.git/hooks/post-checkout", "../.dvc/config", "~/x",
            "2013-02.parquet", "sitecustomize.py", "Ein Monat.parquet", "\u200b..", "\ud800",
            ".git", ".gitmodules",
        )
    ),
    st.text(max_size=8),
    st.lists(st.sampled_from(("..", ".", "", "src", "x", ".git", "\\")), max_size=4).map("/".join),
)  # fmt: skip

ENTRIES = st.lists(st.tuples(NAMES, st.sampled_from((MONTH, b"code\n"))), min_size=1, max_size=3)


@settings(max_examples=EXAMPLES, deadline=None)
@given(entries=ENTRIES)
def test_a_listing_is_written_inside_its_folder_or_refused(
    one: Project, entries: list[tuple[str, bytes]]
):
    shutil.rmtree(one.root / "data", ignore_errors=True)
    one.name(*(one.entry(name, content) for name, content in entries))
    before = one.outside()
    try:
        restore_here(one.root, ["data.dvc"], force=True)
    except Refused:
        assert not (one.root / "data").exists()
    else:
        written = {path.name: path.read_bytes() for path in (one.root / "data").iterdir()}
        assert written == dict(entries)
    assert one.outside() == before


OUTPUTS = st.one_of(
    st.sampled_from(
        (
            "..", ".", "", "../data", "/etc/cron.d", "src", "Src", "SRC/model", "./src", "src/x",
            "data/../src", "build/../.git/hooks", ".git", ".GIT", ".git ", ".git.", ".dvc/tmp",
            ".github", ".venv/lib", "tests", "packages", "Packages/x", "~/x", "$HOME/x", "git~1/x",
            "data-remote", "docs", "reports/metrics.json/x", "\u2024git", ".g\u200cit", "\uff33rc",
            "src\\model", "C:/x", "data\0", "Makefile", "conftest.py",
        )
    ),
    st.lists(
        st.sampled_from(("..", ".", "src", "SRC", ".git", "data", "build", "x", "tests", ".dvc")),
        min_size=1,
        max_size=5,
    ).map("/".join),
)  # fmt: skip


@settings(max_examples=5 * EXAMPLES, deadline=None)
@given(path=OUTPUTS)
def test_an_output_is_apart_from_code_and_settings_or_refused(one: Project, path: str):
    try:
        check_output(one.root, path, ["src/model/code.py", "docs/page.md", "data-remote/files/x"])
    except Refused:
        return
    place = Path(os.path.normpath(one.root / path))
    top, *_ = place.relative_to(one.root).parts
    assert not top.startswith(".")
    assert top.casefold() not in {"src", "tests", "packages", "docs", "data-remote"}


def test_every_output_of_a_common_project_is_accepted(one):
    tracked = ["src/model/code.py", "models/.gitignore", "raw/a.dvc", "reports/metrics.json"]
    for path in ("data", "build/model", "models/best", "raw/a", "reports/plots/roc.csv", "données"):
        check_output(one.root, path, tracked)


def escaping(project: Project) -> None:
    project.name(project.entry("2013-01.parquet"), path="../escaped")


def into_source(project: Project) -> None:
    project.name(project.entry("x.py"), path="src/extra")


def by_working_directory(project: Project) -> None:
    project.name(project.entry("data"), path="data", wdir="src")


def two_outputs(project: Project) -> None:
    project.point(*({"md5": project.store(MONTH), "hash": "md5", "path": f"x{n}"} for n in (1, 2)))


def another_folder(project: Project) -> None:
    project.name(project.entry("python"), path="build/environments/0123456789ab/bin")


def an_import(project: Project) -> None:
    project.point(
        {"md5": project.store(MONTH), "hash": "md5", "path": "data"},
        deps=[{"path": "https://example.org/data", "md5": md5(MONTH)}],
    )


def a_stage_next_to_the_model(project: Project) -> None:
    stage = {
        "wdir": "../..",
        "deps": [{"path": "docs/text"}],
        "outs": [{"path": "src/model/code.py", "cache": False}],
    }
    project.write("src/model/evil.dvc", yaml.safe_dump(stage))
    project.commit()


def a_pointer_to_code(project: Project) -> None:
    out = {"md5": project.store(MONTH), "hash": "md5", "path": "../src/model/code.py"}
    project.write("docs/more.dvc", yaml.safe_dump({"outs": [out]}))
    project.commit()


def a_pipeline_in_a_folder(project: Project) -> None:
    project.write("docs/dvc.yaml", "stages: {}\n")
    project.commit()


def a_stage_in_the_data(project: Project) -> None:
    project.name(project.entry("more.dvc", b"cmd: touch owned\n"))


def a_link_on_the_way(project: Project) -> None:
    (project.root / "data").symlink_to("src/model")


def a_link_inside(project: Project) -> None:
    (project.root / "data").mkdir()
    (project.root / "data/sub").symlink_to("../src/model")


def a_link_to_the_same_content(project: Project) -> None:
    project.write("src/model/month", MONTH.decode())
    (project.root / "data").mkdir()
    (project.root / "data/2013-01.parquet").symlink_to("../src/model/month")


def a_hash_that_is_a_path(project: Project) -> None:
    project.name({"md5": "ab/../../../../../src/model/new.py", "relpath": "2013-01.parquet"})


def a_listing_whose_name_is_a_path(project: Project) -> None:
    project.point({"md5": "ab/../../../../../src/x.dir", "hash": "md5", "path": "data"})


def one_file_on_some_systems(project: Project) -> None:
    project.name(project.entry("A.parquet"), project.entry("a.parquet"))


def tracked_by_git(project: Project) -> None:
    project.write("data/2013-01.parquet", "tracked")
    git(project.root, "add", "--force", "data")


def cache_elsewhere(project: Project) -> None:
    project.write(".dvc/config", f"{CONFIG}[cache]\n    dir = ../src/cache\n")


def links_to_the_cache(project: Project) -> None:
    project.write(".dvc/config", f"{CONFIG}[cache]\n    type = reflink,symlink\n")


def pickles_of_a_commit(project: Project) -> None:
    project.write(".dvc/config", CONFIG.replace("[core]", "[core]\n    site_cache_dir = ../data"))


def remote_in_the_code(project: Project) -> None:
    project.write(".dvc/config", CONFIG.replace("../data-remote", "../SRC/remote"))


def remote_in_the_code_by_a_url(project: Project) -> None:
    place = f'"file://{project.root}/src/remote"'
    project.write(".dvc/config", CONFIG.replace("../data-remote", place))


def another_spelling(project: Project) -> None:
    project.write(".dvc/config", CONFIG.replace("[core]", "[core]\n    Site_Cache_Dir = ../data"))


def another_spelling_for_the_remote(project: Project) -> None:
    project.write(".dvc/config", "[remote]\n[[storage]]\nBearer_Token_Command = touch owned\n")


def a_command_for_the_remote(project: Project) -> None:
    project.write(".dvc/config", f"{CONFIG}    bearer_token_command = touch owned\n")


def local_settings_that_are_committed(project: Project) -> None:
    project.write(".dvc/config.local", "[cache]\n    dir = ../src/cache\n")
    git(project.root, "add", "--force", ".dvc/config.local")


def a_committed_cache(project: Project) -> None:
    project.write(".dvc/tmp/hashes", "x")
    git(project.root, "add", "--force", ".dvc/tmp/hashes")


def a_repository_in_the_data(project: Project) -> None:
    project.name(project.entry(".GIT", b"gitdir: ../data-remote/x\n"))


def settings_of_a_shell_in_the_data(project: Project) -> None:
    project.name(project.entry(".envrc", b"touch owned\n"))


def a_committed_environment(project: Project) -> None:
    project.write(".venv/lib/python3.11/site-packages/sitecustomize.py", "code\n")
    git(project.root, "add", "--force", ".venv")


def settings_behind_a_link(project: Project) -> None:
    (project.root / ".dvc").rename(project.root / "settings")
    (project.root / ".dvc").symlink_to("settings")


UNSAFE: list[Callable[[Project], None]] = [
    escaping, into_source, by_working_directory, two_outputs, another_folder, an_import,
    a_stage_next_to_the_model, a_pointer_to_code, a_pipeline_in_a_folder, a_stage_in_the_data,
    a_link_on_the_way, a_link_inside, a_link_to_the_same_content,
    a_hash_that_is_a_path, a_listing_whose_name_is_a_path,
    one_file_on_some_systems, tracked_by_git, cache_elsewhere, links_to_the_cache,
    pickles_of_a_commit, remote_in_the_code, a_command_for_the_remote,
    remote_in_the_code_by_a_url, another_spelling, another_spelling_for_the_remote,
    local_settings_that_are_committed, a_committed_cache, settings_behind_a_link,
    a_repository_in_the_data, settings_of_a_shell_in_the_data, a_committed_environment,
]  # fmt: skip


@pytest.mark.parametrize("unsafe", UNSAFE, ids=lambda unsafe: unsafe.__name__)
def test_what_a_commit_must_not_decide_is_refused(project, unsafe):
    unsafe(project)
    before = project.outside()

    with pytest.raises(Refused) as error:
        restore_here(project.root, ["data.dvc"], force=True)

    assert error.value.exit_code == 1
    assert error.value.do
    assert project.outside() == before


def test_a_further_file_of_dvc_add_is_accepted(project):
    out = {"md5": project.store(MONTH), "hash": "md5", "path": "table.parquet"}
    project.write("extra/table.parquet.dvc", yaml.safe_dump({"outs": [out]}))
    project.write("extra/.gitignore", "/table.parquet\n")
    project.commit()

    restore_here(project.root, ["data.dvc"])

    assert (project.root / "data/2013-01.parquet").is_file()


def test_the_settings_of_the_user_are_not_those_of_a_commit(project, tmp_path):
    project.write(".dvc/config.local", f"[cache]\n    dir = {tmp_path}/cache\n    type = symlink\n")

    restore_here(project.root, ["data.dvc"])
    restore_here(project.root, ["data.dvc"])

    assert (project.root / "data/2013-01.parquet").is_symlink()
    assert list((tmp_path / "cache").rglob("*.dir"))


def test_a_copy_shares_the_cache_wherever_it_is(project, tmp_path):
    cache = tmp_path / "C# it's, 100%/cache"
    config = ConfigObj({"cache": {"dir": str(cache)}}, encoding="utf-8")
    (project.root / ".dvc/config.local").write_bytes(b"\n".join(config.write()))
    restore_here(project.root, ["data.dvc"])
    shutil.rmtree(project.root / "data-remote")

    with copy_of_worktree(project.root) as copy:
        restore_here(copy, ["data.dvc"])
        assert (copy / "data/2013-01.parquet").read_bytes() == MONTH


SECRET = "s3cr3t, with a comma and 'quotes'"

LOCAL = f"""\
[core]
    remote = mine
['remote "storage"']
    keyfile = ../key
    password = "{SECRET}"
['remote "mine"']
    url = ../../mine
[exp]
    auto_push = true
"""


def local_settings(tree: Path) -> dict[str, Any]:
    local: dict[str, Any] = Config(str(tree / ".dvc")).load_one("local")
    return {section: settings for section, settings in local.items() if settings}


@pytest.fixture
def signed_in(project: Project) -> Project:
    """A project whose remote is on a server, and whose user has access to it."""
    project.write(".dvc/config", SERVER)
    project.commit()
    git(project.root, "-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "-qm", "Start")
    project.write(".dvc/config.local", LOCAL)
    return project


SERVER = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ssh://server/data\n"


def test_a_copy_has_the_access_of_the_user_to_the_same_remotes(signed_in):
    expected = local_settings(signed_in.root)
    del expected["exp"]  # neither a remote nor where the cache is

    with copy_of_worktree(signed_in.root) as copy, tree_of(signed_in.root, "HEAD") as tree:
        for each in (copy, tree):
            found = local_settings(each)
            assert found.pop("cache")
            assert found == expected
            assert found["remote"]["storage"]["keyfile"] == str(signed_in.root / "key")
            assert (each / ".dvc/config.local").stat().st_mode & 0o777 == 0o600
            assert SECRET not in git(each, "status", "--porcelain") + git(each, "diff")


def test_another_server_of_a_commit_never_receives_the_access_of_the_user(signed_in):
    signed_in.write(".dvc/config", SERVER.replace("server", "another"))  # the commit has `server`

    with tree_of(signed_in.root, "HEAD") as tree:
        assert "storage" not in local_settings(tree)["remote"]
        assert SECRET not in (tree / ".dvc/config.local").read_text("utf-8")


def test_a_default_remote_that_a_commit_does_not_have_is_not_asked_for(signed_in):
    signed_in.write(".dvc/config", SERVER + "['remote \"new\"']\n    url = ssh://new/data\n")
    signed_in.write(".dvc/config.local", "[core]\n    remote = new\n")

    with tree_of(signed_in.root, "HEAD") as tree:
        assert "core" not in local_settings(tree)


def test_data_behind_a_remote_of_the_user_alone_reaches_a_copy(project, tmp_path):
    (project.root / "data-remote").rename(tmp_path / "mine")
    project.write(".dvc/config.local", f"[core]\n    remote = mine\n"
                  f"['remote \"mine\"']\n    url = {tmp_path}/mine\n")  # fmt: skip

    with copy_of_worktree(project.root) as copy:
        restore_here(copy, ["data.dvc"])
        assert (copy / "data/2013-01.parquet").read_bytes() == MONTH


def test_a_link_in_the_place_of_the_settings_of_a_copy_is_not_written_through(project, tmp_path):
    project.write(".gitignore", "/data\n/build\n/.dvc/cache\n/.dvc/tmp\n")
    (tmp_path / "elsewhere").write_text("[core]\n    analytics = false\n", "utf-8")
    (project.root / ".dvc/config.local").symlink_to(tmp_path / "elsewhere")

    with copy_of_worktree(project.root):
        assert "cache" not in (tmp_path / "elsewhere").read_text("utf-8")


def test_a_line_that_is_no_setting_is_named_but_not_shown(project):
    project.write(".dvc/config.local", f"['remote \"storage\"']\n    password: {SECRET}\n")

    with pytest.raises(SlipwayError, match="line 2") as error, copy_of_worktree(project.root):
        pass
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("changed", ["a file", "the listing"])
def test_other_content_than_is_named_is_refused_where_dvc_does_not_look(project, changed):
    project.write(".dvc/config", CONFIG.replace("verify = true", "verify = false"))
    kind = "*/*.dir" if changed == "the listing" else "*/*[!r]"
    (stored,) = (project.root / "data-remote/files/md5").glob(kind)
    stored.write_bytes(stored.read_bytes() + b" ")

    with pytest.raises(Refused):
        restore_here(project.root, ["data.dvc"])

    assert not list(project.root.glob("data/*"))
    stored.write_bytes(stored.read_bytes()[:-1])
    restore_here(project.root, ["data.dvc"])  # nothing of the other content is left


@pytest.mark.parametrize("name", ["data.dvc", "dvc.lock"])
def test_a_conflict_is_named_with_what_ends_it(project, name):
    side = "  md5: 0\n"
    project.write(name, f"outs:\n<<<<<<< HEAD\n{side}=======\n{side}>>>>>>> other\n")

    with pytest.raises(SlipwayError, match=f"{name}.*conflict") as error:
        restore(project.root, "data.dvc")

    assert error.value.exit_code == 2
    assert "git checkout --ours" in error.value.do
