"""The rules of the house: where imports may point, and what `import spexapi` may cost."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spexapi"

# The rooms from the top to the bottom; a file may import from its own room and from those above it.
ROOMS = [
    "errors measurements",
    "fourier",
    "engines",
    "trust",
    "prompts",
    "backends",
    "scorers",
    "sampling",
    "games",
    "explanation",
    "measure",
    "plan",
    "explain",
    "verification",
    "narrative",
    "views",
    "page",
    "plugins spectrum testing cli",
]
NUMBERS = {"fourier", "engines", "trust"}
MODELS = {"prompts", "backends", "scorers", "sampling"}
# The one named door from the result to its views and its file format: file -> what it may import below it.
DOORS = {
    "explanation.explanation": {"explanation.export", "views.html.report", "views.terminal"},
}
OWNERS = {
    "torch": {"backends/huggingface", "games/training/torch.py"},
    "transformers": {"backends/huggingface"},
    "gradio": {"page"},
    "plotly": {"views/plots.py"},
    "xgboost": {"engines", "games/training/learners.py"},
    "pandas": {"explanation"},
    "shapiq": {"explanation/export.py"},
    "openai": {"backends/openai"},
    "genai_prices": {"backends/prices.py"},
}


def files() -> list[Path]:
    return sorted(
        p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in {"__init__", "__main__"}
    )


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    return module.split(".")[0]


def rank(module: str) -> int:
    """The place of a module's room in the house."""
    places = [place for place, names in enumerate(ROOMS) if room(module) in names.split()]
    assert places, f"spexapi.{module} has no place in the house: add its room to ROOMS"
    return places[0]


def imported(path: Path) -> set[str]:
    """Names of imported modules, lazy imports and import_module("...") included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module_of(path)} imports by dots: write the whole path"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif (
            isinstance(node, ast.Call)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
            == "import_module"
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def ours() -> dict[str, set[str]]:
    """Module -> the package's own modules that it imports; the package itself stands as ""."""
    known = {module_of(p): p for p in files()}
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        names = {n for n in imported(path) if n.split(".")[0] == "spexapi"}
        mine = {n.removeprefix("spexapi").removeprefix(".") for n in names}
        graph[module] = {n for n in mine if n in known and n != module}
    return graph


GRAPH = ours()


def test_imports_point_up():
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if rank(other) > rank(module) and other not in DOORS.get(module, set())
    ]
    assert not wrong, f"what stands below may not be imported: {wrong}"


def test_no_file_stands_in_a_circle_of_imports():
    left = {m: others - DOORS.get(m, set()) for m, others in GRAPH.items()}
    while free := {m for m, others in left.items() if not others & left.keys()}:
        left = {m: others for m, others in left.items() if m not in free}
    assert not left, f"files that import one another, or rest on such: {sorted(left)}"


def test_numbers_and_models_do_not_meet():
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if (room(module) in NUMBERS and room(other) in MODELS | {"games"})
        or (room(module) in MODELS and room(other) in NUMBERS)
    ]
    assert not wrong, f"numbers know no model and models no spectrum: {wrong}"


def test_a_private_file_is_imported_from_its_own_folder_only():
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if other.rpartition(".")[2].startswith("_") and other.rpartition(".")[0] != module.rpartition(".")[0]
    ]
    assert not wrong, wrong


def test_a_private_name_is_used_in_its_own_file_only():
    wrong: list[str] = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spexapi"):
                wrong += [f"{module_of(path)}: {a.name}" for a in node.names if a.name.startswith("_")]
    assert not [w for w in wrong if w.split(": ")[1] not in {m.rpartition(".")[2] for m in GRAPH}], wrong


def test_folders_can_be_read_at_a_glance():
    top = [p.name for p in PACKAGE.glob("*.py")]
    assert len(top) <= 10, f"at most ten files on the top floor: {top}"
    full = {
        str(d.relative_to(PACKAGE)): n for d in PACKAGE.rglob("*") if (n := len([*d.glob("[!_]*.py")])) > 16
    }
    assert not full, f"folders with more than about fifteen files: {full}"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_heavy_imports_stay_with_their_owner(path: Path):
    place = path.relative_to(PACKAGE).as_posix()
    roots = {n.split(".")[0] for n in imported(path)}
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
