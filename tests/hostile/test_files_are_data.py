"""What is read is data: the package calls nothing that would run what a file says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import avatar_trials

ROOT = Path(avatar_trials.__file__).parent
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "subprocess", "zarr"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "unsafe_load", "system", "popen", "to_html"}
HARMLESS = {("re", "compile"), ("platform", "system")}
ITS_OWN_TEXT = {
    "verify/another_process.py": ["subprocess"]
}  # a constant script of the package, nothing of a file


def forbidden(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            whose = getattr(getattr(node.func, "value", None), "id", "")
            if called in CALLS and (whose, called) not in HARMLESS:
                yield f"{called}()"
            for word in node.keywords:
                if word.arg == "allow_pickle" or (word.arg == "autoescape" and not _is_true(word.value)):
                    yield word.arg


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


@pytest.mark.bad_input(46, 84, 99)
def test_nothing_runs_what_a_file_says() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 100
    found = {
        str(file.relative_to(ROOT)): list(forbidden(ast.parse(file.read_text("utf-8")))) for file in files
    }
    assert {name: told for name, told in found.items() if told} == ITS_OWN_TEXT


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from yaml import load", "eval(x)", "np.load(f, allow_pickle=True)"),
        *("os.system(x)", "E(autoescape=False)", "frame.to_html()", "compile(x, '', 'exec')"),
    ],
)
def test_the_look_finds_what_it_looks_for(code: str) -> None:
    assert list(forbidden(ast.parse(code)))
