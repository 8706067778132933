"""The rules of the house: where imports may point, and what `import spexapi` may cost."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spexapi"

ORDER = [
    "errors measurements",
    "_parity masks",
    "_ridge _subsets",
    "spectrum",
    "indices posterior",
    "engines.base",
    "engines",
    "refits",
    "audit estimates",
    "intervals trust",
    "optimize",
    "backends.base games.base",
    "prompt segments",
    "render",
    "backends",
    "_contracts",
    "testing",
    "likeness",
    "scorers",
    "helped",
    "sampling",
    "games",
    "_verification",
    "explanation",
    "saved",
    "planning",
    "explain verify pruning",
    "checking",
    "views",
    "cli.ask",
    "cli.run",
    "cli",
]
MATHEMATICS = {
    "_parity",
    "_ridge",
    "_subsets",
    "masks",
    "spectrum",
    "indices",
    "engines",
    "refits",
    "trust",
    "audit",
    "estimates",
    "posterior",
    "intervals",
    "optimize",
}
MODEL_SIDE = {"prompt", "segments", "render", "backends", "likeness", "scorers", "helped", "sampling"}
OWNERS = {
    "torch": {"backends/huggingface.py", "backends/_", "games/_vectorised.py"},
    "transformers": {"backends/huggingface.py", "backends/_"},
    "gradio": {"views/ui"},
    "plotly": {"views/ui", "views/plots.py"},
    "xgboost": {"engines"},
    "pandas": {"explanation.py"},
    "shapiq": {"saved.py"},
    "openai": {"backends/openai_api.py", "backends/_openai"},
    "genai_prices": {"backends/prices.py"},
}


def files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name not in {"__init__.py", "__main__.py"})


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def rank(module: str) -> int:
    """The place of a module in the house: the longest name in ORDER that it starts with."""
    best = (-1, -1)
    for place, names in enumerate(ORDER):
        for name in names.split():
            if module == name or module.startswith(name + "."):
                best = max(best, (len(name), place))
    assert best[0] >= 0, f"spexapi.{module} has no place in the house: add it to ORDER"
    return best[1]


def imported(tree: ast.Module, *, top_level: bool) -> set[str]:
    """Names of imported modules; with top_level only those that run at import."""
    found: set[str] = set()
    nodes = list(ast.walk(tree))
    if top_level:
        nodes = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str]) -> set[str]:
    """Those of our own modules, without the package's name."""
    known = {module_of(p) for p in files()}
    return {
        n.removeprefix("spexapi.") for n in names if n.removeprefix("spexapi.") in known and n != "spexapi"
    }


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_imports_point_up(path: Path):
    module = module_of(path)
    for other in ours(imported(ast.parse(path.read_text(encoding="utf-8")), top_level=True)):
        assert rank(other) <= rank(module), f"spexapi.{module} imports spexapi.{other}, which stands below it"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_the_two_columns_do_not_meet(path: Path):
    module = module_of(path)
    part = module.split(".")[0]
    others = {
        o.split(".")[0] for o in ours(imported(ast.parse(path.read_text(encoding="utf-8")), top_level=False))
    }
    if part in MATHEMATICS:
        assert not others & (MODEL_SIDE | {"games"}), (
            f"the mathematics in {module} knows the model side: {others}"
        )
    if part in MODEL_SIDE:
        assert not others & MATHEMATICS, f"the model side in {module} knows the mathematics: {others}"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_heavy_imports_stay_with_their_owner(path: Path):
    place = path.relative_to(PACKAGE).as_posix()
    roots = {n.split(".")[0] for n in imported(ast.parse(path.read_text(encoding="utf-8")), top_level=False)}
    for heavy, owners in OWNERS.items():
        if heavy in roots:
            assert any(place.startswith(o) for o in owners), (
                f"{place} imports {heavy}, which belongs to {owners}"
            )


def test_import_is_light():
    code = (
        "import sys, spexapi\n"
        "heavy = {'torch', 'gradio', 'transformers', 'openai', 'plotly', 'ray', 'xgboost', 'sklearn',"
        " 'pandas', 'scipy', 'sentencex', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_files_stay_readable():
    long = {module_of(p): n for p in files() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 330}
    assert not long, f"files past about 300 lines want another design: {long}"


def test_the_project_names_no_machine():
    """No absolute path of a machine in any tracked text file."""
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split("\n")
    for name in filter(None, tracked):
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".json", ".jinja"}
            and path.exists()
            and path != Path(__file__)
        ):
            text = path.read_text(encoding="utf-8")
            for root in ("/" + "root/", "/" + "home/", "/" + "work/"):
                assert root not in text, f"{name} names {root}"


def test_a_space_installs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [d for part in ("local", "ui", "hosted") for d in extras[part]]
    needed = {d.split(";")[0].strip() for d in wanted}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    # a Space has gradio already, in the version its README names, and is no Mac
    assert listed == {d for d in needed if not d.startswith(("gradio", "xgboost>"))}
