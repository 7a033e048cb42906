"""Journey: what a bash completes, through the function that the program gives it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_trials.cli import completion

SCRIPT = """
eval "$(avatar-trials --show-completion bash)"
COMP_WORDS=(avatar-trials compare-strategies persis)
COMP_CWORD=2
_avatar_trials_completion avatar-trials
echo "${COMPREPLY[@]}"
"""


def test_bash_completes_names_of_the_library(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None or sys.platform == "win32":
        pytest.skip("no bash here")
    program = tmp_path / "avatar-trials"
    program.write_text(f"#!{sys.executable}\nfrom avatar_trials.cli import main\nmain()\n", "utf-8")
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",  # the shell is named, not guessed
    }
    done = subprocess.run(
        [bash, "-c", SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["persister_bh3_cotargeting", "persister_mrd"], done.stderr


def test_each_kind_of_name_is_completed() -> None:
    assert completion.designs("melanoma_b") == ["melanoma_braf_mek"]
    assert "every_strategy" in completion.strategy_designs("")
    assert not set(completion.designs("")) & set(completion.strategy_designs(""))
    assert completion.populations("pdxe_") == ["pdxe_cm"]
    assert completion.models("two_clone,graded_kill_n") == ["two_clone,graded_kill_no_slowing"]
    assert completion.designs("./my") == []  # a path: the shell's own business
