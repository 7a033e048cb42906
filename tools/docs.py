"""Build the documentation site: every page of the repository, and pages made of the code. Links are checked.

    uv run --group docs python -m tools.docs            into site/
    uv run --group docs python -m tools.docs -o DIR     elsewhere

Exits with 1 where a link leads nowhere or anything else is wrong with a page.
"""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import avatar_trials
from avatar_trials import library
from avatar_trials.card_schemas import KINDS, classes_of, words_of
from avatar_trials.cli.commands import GROUPS, app
from tools import endpoint_pages

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = """
project = "Avatar Trials"
author = "The Avatar Trials authors"
extensions = ["myst_parser"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "260px", "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sourcelink = False
exclude_patterns = ["**/*.txt"]
suppress_warnings = ["misc.highlighting_failure"]
nitpicky = True
"""


def committed() -> list[Path]:
    """Files of the repository, relative to its root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def cell(text: str) -> str:
    """Text that can stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def commands_page() -> str:
    """Every command with its help, as typed."""
    from typer.testing import CliRunner

    lines = ["# Commands\n"]
    for group, members in GROUPS.items():
        lines.append(f"\n## {group}\n")
        for name in (example.split()[0] for _, example in members):
            text = CliRunner().invoke(app, [name, "--help"], terminal_width=100).output
            text = re.sub(r"^Usage: \S+", "Usage: avatar-trials", text.strip())
            lines.append(f"### {name}\n\n```text\n{text}\n```\n")
    return "\n".join(lines)


def cards_page() -> str:
    """Every key of every kind of card."""
    lines = [
        "# Keys of the cards\n",
        "Made of the classes that read the cards. `avatar-trials new` writes a file with these words in it, "
        "`avatar-trials schema` the JSON Schemas for an editor.\n",
    ]
    seen: set[str] = set()
    for kind in KINDS:
        lines.append(f"\n## {kind}\n")
        for name, card in classes_of(kind).items():
            if name in seen or name in ("Distribution", "Law"):
                continue
            seen.add(name)
            lines.append(f"\n### {name}\n\n{inspect.getdoc(card)}\n\n| key | is | default |\n|---|---|---|")
            words = words_of(card)
            for key, field in card.model_fields.items():
                if key in words:
                    value = field.get_default(call_default_factory=True)
                    default = (
                        "must be there"
                        if field.is_required()
                        else ""
                        if value in (None, "", (), {})
                        else f"`{value}`"
                    )
                    lines.append(f"| `{key}` | {cell(words[key])} | {cell(default)} |")
    return "\n".join(lines)


def verbs_page(title: str, module: str, names: list[str]) -> str:
    """Public names of a module with their signatures and docstrings."""
    home = import_module(module)
    lines = [f"# {title}\n", f"{inspect.getdoc(home)}\n"]
    for name in names:
        found: Any = getattr(home, name)
        if callable(found):
            lines.append(f"## {name}\n\n{endpoint_pages.signature(found)}{inspect.getdoc(found) or ''}\n")
    return "\n".join(lines)


def notebooks_page(files: list[Path]) -> str:
    """Notebooks and short scripts, each with its first words."""
    lines = [
        "# Notebooks and scripts\n",
        "Percent scripts: run them as they are, or open them with Jupytext.\n",
    ]
    for file in files:
        text = (ROOT / file).read_text("utf-8")
        cells = re.search(r"^# # (.+)$", text, re.MULTILINE)
        said = (
            cells[1]
            if cells
            else (re.search(r'^"""(.+?)(?:"""|\n)', text, re.MULTILINE) or ["", file.stem])[1]
        )
        lines.append(f"- [{file}](../{file}): {said}")
    return "\n".join(lines) + "\n"


def index_page(pages: list[Path]) -> str:
    """The front page: groups of pages, each once."""

    def tree(caption: str, names: list[str]) -> str:
        return f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"

    def of(folder: str) -> list[str]:
        return sorted(page.with_suffix("").as_posix() for page in pages if page.parts[0] == folder)

    cards = set(library.known("models"))
    models = of("models")
    return "\n".join(
        [
            "# Avatar Trials\n",
            "One-mouse-per-patient trials of patient-derived xenografts, calibrated and emulated. "
            "[What it is, and how to start](README.md).\n",
            tree("Start", ["What it is, and how to start <README>", *of("docs")]),
            tree("Models", [name for name in models if Path(name).name in cards]),
            tree("Science", [name for name in models if Path(name).name not in cards] + of("interactions")),
            tree(
                "Reference",
                [
                    f"reference/{name}"
                    for name in ("endpoints/index", "commands", "cards", "python", "notebooks")
                ],
            ),
            tree(
                "The house",
                [page.stem for page in pages if len(page.parts) == 1 and page.stem != "README"] + of("tests"),
            ),
        ]
    )


def stage(folder: Path) -> None:
    """Sources of the site: the repository's pages and what they link to, the made pages, the configuration."""
    files = committed()
    pages = [file for file in files if file.suffix == ".md"]
    kept = {".md", ".toml", ".py", ".svg", ".png", ".cff", ".stan", ".csv", ".txt", ""}
    for file in files:
        record = len(file.parts) == 2 and file.suffix in (".md", ".csv")
        if file.suffix in kept and (file.parts[0] != "tests" or record):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    made = {
        "index": index_page(pages),
        "reference/commands": commands_page(),
        "reference/cards": cards_page(),
        "reference/python": verbs_page("In Python", "avatar_trials", avatar_trials.__all__),
        "reference/notebooks": notebooks_page(
            [
                file
                for file in files
                if file.suffix == ".py" and file.parts[0] in ("notebooks", "trial_designs")
            ]
        ),
        **{f"reference/endpoints/{name}": text for name, text in endpoint_pages.pages().items()},
    }
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(text, "utf-8")
    (folder / "conf.py").write_text(CONFIGURATION, "utf-8")


def main() -> None:
    """Run as the module's first lines say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "site")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        strict = ("-W", "--keep-going", "-q", "-b", "html")
        built = subprocess.run([sys.executable, "-m", "sphinx", *strict, folder, str(out)], check=False)
    if built.returncode:
        raise SystemExit(1)
    print(f"Written: {out / 'index.html'}")


if __name__ == "__main__":
    main()
