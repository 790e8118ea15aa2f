"""Whatever happens, a command ends with 0, 1 or 2 and a sentence: never 1 by accident."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.services.projects import FLIGHTS, ROOT

from slipway.errors import SlipwayError
from slipway.repository.layout import python_path
from slipway.reproduction.rebuild import _stopped


@pytest.fixture
def package(project: Path) -> Path:
    """The small project with a model package of its own, that the test may break."""
    shutil.copytree(FLIGHTS / "src/model", project / "src/model", dirs_exist_ok=True)
    return project / "src/model"


def slipway(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # The package of the project first, then this program.
    path = os.pathsep.join([str(project / "src"), python_path(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": path, "GITHUB_ACTIONS": ""} | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def ends_with_a_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("slipway: ")]
    return sentence


PREPARE, TRAIN, VALIDATE = ["prepare"], ["train"], ["validate", "data"]

# File, what is put at its end, the command that meets it, and what its sentence names.
BROKEN = {
    "features raise": ("features", "def features(c):\n    return {'x': 1 / 0}", PREPARE),
    "a library is missing": ("features", "import no_such_library", PREPARE),
    "a syntax error": ("target", "def (", PREPARE),
    "the label is gone": ("target", "del label", PREPARE),
    "a rule raises": ("rules", "RULES['odd'] = lambda c: c['carrier'].nope", VALIDATE),
    "it ends the process at once": ("features", "import sys; sys.exit(0)", PREPARE),
    "it calls itself": ("features", "def features(c): return features(c)", PREPARE),
    "one that cannot be printed": (
        "features",
        "class Odd(Exception):\n    def __str__(self): 1 / 0\ndef features(c): raise Odd",
        PREPARE,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_the_users_code_raises_is_named_with_its_file(package: Path, case: str) -> None:
    name, code, command = BROKEN[case]
    file = package / f"{name}.py"
    file.write_text(f"{file.read_text('utf-8')}\n\n{code}\n", "utf-8")
    sentence = ends_with_a_sentence(slipway(package.parents[1], *command))
    assert f"src/model/{name}.py" in sentence


def test_the_line_and_the_reason_are_named(package: Path) -> None:
    file = package / "features.py"
    text = file.read_text("utf-8")
    file.write_text(f"{text}\n\ndef features(columns):\n    return {{'x': 1 / 0}}\n", "utf-8")
    line = len(text.splitlines()) + 4
    done = slipway(package.parents[1], "prepare")
    sentence = ends_with_a_sentence(done)
    assert f"src/model/features.py, line {line}, in features: ZeroDivisionError" in sentence
    (details,) = re.findall(r"\(details: (.+?)\)$", sentence)
    text = Path(details).read_text("utf-8")
    assert text.startswith("slipway prepare\n")
    assert "Traceback" in text
    assert "Traceback" in slipway(package.parents[1], "prepare", SLIPWAY_DEBUG="1").stderr
    Path(details).unlink()


def test_a_broken_model_does_not_stop_what_does_not_need_it(package: Path) -> None:
    for file in package.glob("*.py"):
        file.write_text("1 / 0\n", "utf-8")
    done = slipway(package.parents[1], "--help")
    assert done.returncode == 0, done.stderr


def test_neither_sentence_nor_details_hold_a_secret(package: Path) -> None:
    secret = "hunter2-hunter2"
    (package / "features.py").write_text(
        "import os\ndef features(c): raise KeyError(os.environ['MY_TOKEN'] + ' http://a:bc@d')\n"
    )
    project = package.parents[1]
    done = slipway(project, "prepare", MY_TOKEN=secret)
    (details,) = re.findall(r"\(details: (.+?)\)$", ends_with_a_sentence(done))
    assert secret not in Path(details).read_text("utf-8") + done.stderr
    assert "a:bc@" not in Path(details).read_text("utf-8") + done.stderr
    Path(details).unlink()


def test_details_that_cannot_be_written_cost_no_sentence(package: Path) -> None:
    (package / "features.py").write_text("def features(c): raise KeyError('x')\n")
    limited = 'ulimit -f 0; exec "$@"'
    path = os.pathsep.join([str(package.parent), python_path(ROOT)])
    done = subprocess.run(
        ["bash", "-c", limited, "-", sys.executable, "-m", "slipway", "prepare"],
        cwd=package.parents[1],
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "src/model/features.py" in ends_with_a_sentence(done)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_fault(project: Path, unbuffered: str) -> None:
    command = f"{sys.executable} -m slipway validate data | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1; {command}"],
        cwd=project,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout in ("0\n", "1\n", "2\n"), done.stdout


def test_output_that_cannot_be_written_is_no_answer(project: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" > /dev/full', "-", sys.executable, "-m", "slipway", "--help"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    ends_with_a_sentence(done)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["github", "no-such-command"],
        ["train", "--no-such-option"],
        ["report"],
        ["serve", "--port", "x"],
        ["build", "--push"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_no_answer(
    project: Path, arguments: list[str]
) -> None:
    done = slipway(project, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["slipway.github.placeholder"])
def test_a_module_that_a_workflow_starts_is_no_no_when_it_fails(
    tmp_path: Path, module: str
) -> None:
    event = tmp_path / "event.json"
    event.write_text("[]")
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": python_path(ROOT),
            "GITHUB_EVENT_PATH": str(event),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_interrupt_is_no_answer(package: Path) -> None:
    (package / "features.py").write_text(
        "import time\ndef features(c):\n    open('here', 'w').close()\n    time.sleep(60)\n"
    )
    project = package.parents[1]
    path = os.pathsep.join([str(project / "src"), python_path(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway", "prepare"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background lets its children ignore the interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    while not (project / "here").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, wrote = process.communicate(timeout=60)
    assert process.returncode == 2
    assert wrote == "slipway: stopped\n"


@pytest.mark.parametrize("end", ["2", "-9", "137"])
def test_a_stage_that_failed_or_was_killed_gave_no_answer(end: str) -> None:
    wrote = ["> slipway prepare", f"ERROR: failed to reproduce 'prepare': exited with {end}"]
    assert _stopped(wrote).exit_code not in (0, 1)


def test_what_a_subprocess_was_ended_by_is_named(tmp_path: Path) -> None:
    from slipway.repository.worktrees import run

    with pytest.raises(SlipwayError, match="signal SIGKILL"):
        run(["sh", "-c", "kill -9 $$"], tmp_path)
