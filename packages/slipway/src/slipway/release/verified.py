"""The result of `slipway verify`, and the check of each later step against it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from slipway.dataset.tables import digest, files_of, read_json, write_json
from slipway.errors import Refused, SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.training.formats.registry import MODEL_FILES, model_path
from slipway.untrusted import as_text, quote_text

VERIFIED = Path("build/verified.json")

# The keys that identify a release from its verification to the running service.
IDENTITY = ("commit", "model_sha256", "manifest_sha256")

RERUN = "release what was verified: run the workflow again from its first job"


def released_files(folder: Path) -> dict[str, str]:
    """Return the files that a release names, by the key of their sha256 in every record."""
    return {"model_sha256": model_path(folder).name, "manifest_sha256": MANIFEST_FILE}


class Identified(Protocol):
    """A record that names a commit, a model and a manifest."""

    @property
    def commit(self) -> str: ...

    @property
    def model_sha256(self) -> str: ...

    @property
    def manifest_sha256(self) -> str: ...


class Reviewed(BaseModel):
    """The pull request that brought a model, and what its report names."""

    model_config = ConfigDict(frozen=True)

    number: int
    url: str = ""
    run: int = 0
    sha256: str = ""
    recorded: str = ""
    manifest: str = ""


class Verified(BaseModel):
    """A commit whose model may be released.

    Attributes
    ----------
    base
        The commit whose model it was compared with; empty if there is none.
    model_sha256, manifest_sha256, files
        Of the rebuilt files, which are released.
    lock, lock_words
        How `dvc.lock` compares with the rebuild.
    recorded_sha256
        Of the model that `dvc.lock` names; differs from `model_sha256` if equivalent.
    reviewed
        None without a pull request.
    accepted
        Who released the model without a review; empty if it was reviewed.
    verdict
        The headline of the judgement, or why there was none.
    report, report_sha256
        Path of the judgement's report and its hash; empty if the model has not changed.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    commit: str
    base: str = ""
    data: str = ""
    model_sha256: str
    manifest_sha256: str
    files: dict[str, str]
    lock: str = ""
    lock_words: str = ""
    recorded_sha256: str = ""
    reviewed: Reviewed | None = None
    review_words: str = ""
    accepted: str = ""
    verdict: str = ""
    report: str = ""
    report_sha256: str = ""
    version: int = 2

    @model_validator(mode="after")
    def _names_its_files(self) -> Verified:
        models = [self.files[name] for name in MODEL_FILES if name in self.files]
        if models != [self.model_sha256] or self.files.get(MANIFEST_FILE) != self.manifest_sha256:
            raise ValueError("`files` do not match the hashes of model and manifest")
        return self

    def rows(self) -> list[list[str]]:
        """Return the results, a name and a sentence each."""
        base = f", compared with `{self.base[:7]}`" if self.base else ""
        return [
            ["commit", f"`{self.commit[:7]}`{base}"],
            ["lock", f"{self.lock}: {quote_text(self.lock_words)}"],
            ["model", f"sha256 `{self.model_sha256[:12]}`: rebuilt from its inputs here"],
            ["review", self.review_words],
            ["verdict", quote_text(self.verdict)],
        ]

    def text(self) -> str:
        return "\n".join(
            f"{name:8} {as_text(value).replace('`', '')}" for name, value in self.rows()
        )

    def write(self, root: Path) -> None:
        write_json(self.model_dump(), root / VERIFIED)

    @classmethod
    def read(cls, root: Path) -> Verified:
        """Return what `slipway verify` wrote."""
        try:
            return cls.model_validate(read_json(root / VERIFIED, "slipway verify"))
        except ValidationError:
            raise SlipwayError(
                f"{VERIFIED}: does not name the files that were verified",
                "run `slipway verify` again",
            ) from None

    def is_of(self, record: Identified) -> bool:
        """Return whether a record is about the verified commit, model and manifest."""
        return all(getattr(self, key) == getattr(record, key) for key in IDENTITY)


def check_verified(root: Path, record: Identified) -> Verified:
    """Return the verification if it is about this record and the files in the model folder.

    Raises
    ------
    Refused
        Another commit, or other files, were verified.
    SlipwayError
        `slipway verify` has not run here.
    """
    verified = Verified.read(root)
    for key in IDENTITY:
        expected, given = getattr(verified, key), getattr(record, key)
        if expected != given:
            given = (given or "nothing")[:12]
            raise Refused(f"{key} is {given}, and {expected[:12]} was verified", RERUN)
    check_files(root, verified.files)
    if verified.report and digest(root / verified.report) != verified.report_sha256:
        raise Refused(f"{verified.report}: not the report of what was verified", RERUN)
    return verified


def check_files(root: Path, files: dict[str, str]) -> None:
    """Refuse a model folder whose files differ from the verified ones; hashes each again."""
    here = files_of(root / MODEL)
    wrong = sorted(name for name in here.keys() | files if here.get(name) != files.get(name))
    if wrong:
        names = ", ".join(f"{MODEL / name}" for name in wrong[:5])
        raise Refused(f"{names}: not the file that was verified", RERUN)
