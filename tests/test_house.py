"""The rules of the house: where imports may point, and what `import spexapi` may cost."""

import ast
import functools
import graphlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
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
    "run",
    "explain",
    "verification",
    "narrative",
    "views",
    "plugins",
    "spexapi",
    "page",
    "spectrum testing cli __main__",
]
NUMBERS = {"fourier", "engines", "trust"}
MODELS = {"prompts", "backends", "scorers", "sampling"}
# The one named door from the result to its views and its file format: file -> what it may import below it.
DOORS = {
    "explanation.explanation": {
        "explanation.export",
        "explanation.interop",
        "narrative.meaning",
        "views.html.report",
        "views.plots.kinds",
        "views.svg.picture",
        "views.terminal",
    },
    "explanation.verification": {"narrative.verification"},
}
# A library -> the places that may import it.
OWNERS = {
    "torch": {"backends/huggingface", "games/training/torch.py"},
    "transformers": {"backends/huggingface"},
    "peft": {"backends/huggingface"},
    "gradio": {"page"},
    "spaces": {"page"},
    "pypdf": {"page"},
    "plotly": {"views/plots"},
    "typer": {"cli"},
    "rich": {"cli", "views"},
    "scipy": NUMBERS,
    "sklearn": {"engines", "games/training", "page/requests/digits.py"},
    "xgboost": {"engines", "games/training/learners.py"},
    "joblib": {"games/training"},
    "threadpoolctl": {"engines"},
    "pandas": {"explanation/interop.py"},
    "shapiq": {"explanation/interop.py"},
    "sentencex": {"prompts"},
    "regex": {"prompts"},
    "openai": {"backends/openai"},
    "httpx2": {"backends/openai", "page/address_guard.py"},
    "jinja2": {"backends/openai"},
    "genai_prices": {"backends/prices.py"},
    "tenacity": {"sampling"},
    "platformdirs": {"sampling"},
}
# Where a name that a user gave becomes an import; everywhere else the name is written out.
GIVEN_NAMES = {"backends.registry", "engines.registry", "backends.huggingface.loading"}


LONGEST_FILE = 300
LONGEST_FUNCTION = 60
FUNCTIONS_PAST_40 = 3
ANNOTATED_ANY = 20
# Private names that tests reach for -> why there is no door for it. Other tests use what everybody may.
INSIDE = {
    "test_page_address_guard": {"_resolved": "what a name server says"},
    "test_store": {"_file": "a full disk, and another process at the worst moment"},
    "test_head_ablation": {"_forward_hooks": "PyTorch's list", "_forward_pre_hooks": "PyTorch's list"},
    "test_training_game": {"_exit": "of os: a process that dies"},
    "virtual_time": {"_when": "of asyncio: what is due next"},
}


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name below the package; the package itself is "spexapi", a folder is its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts).removesuffix("__init__").removesuffix(".") or "spexapi"


def room(module: str) -> str:
    return module.split(".")[0]


def rank(module: str) -> int:
    """The place of a module's room in the house."""
    places = [place for place, names in enumerate(ROOMS) if room(module) in names.split()]
    assert places, f"spexapi.{module} has no place in the house: add its room to ROOMS"
    return places[0]


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def called(node: ast.AST) -> str:
    """The last name of the function that a node calls; "" for a node that is no call."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def imported(source: ast.Module) -> set[str]:
    """Dotted names of what a file imports, lazily or for types alone too; "?" for a name that it computes.

    import_module("..."), importlib.resources.files("...") and a registry's "module:attribute" are imports.
    """
    found: set[str] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif called(node) in {"import_module", "__import__", "find_spec", "resolve_name"}:
            name = node.args[0] if node.args else None
            found.add(str(name.value) if isinstance(name, ast.Constant) else "?")
        elif called(node) == "files" and node.args and isinstance(node.args[0], ast.Constant):
            found.add(str(node.args[0].value))
        elif isinstance(node, ast.Constant) and re.fullmatch(r"spexapi(\.\w+)+:\w+", str(node.value)):
            found.add(str(node.value).split(":")[0])
    return found


def ours(sources: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Module -> the package's own modules that run first: those it imports, and their folders' __init__."""
    graph: dict[str, set[str]] = {}
    speak = {module for module, source in sources.items() if source.body}  # an empty __init__ imports nothing
    for module, source in sources.items():
        whole = {n for n in imported(source) if n.split(".")[0] == "spexapi"}
        direct = {n.removeprefix("spexapi.") for n in whole} & speak
        folders = {n.rsplit(".", depth)[0] for n in direct for depth in range(1, n.count(".") + 1)} & speak
        graph[module] = direct | {f for f in folders if not module.startswith(f"{f}.")}
        graph[module].discard(module)
    return graph


SOURCES = {module_of(path): tree(path) for path in files()}
GRAPH = ours(SOURCES)


def test_imports_point_up():
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if rank(other) > rank(module) and other not in DOORS.get(module, set())
    ]
    assert not wrong, f"what stands below may not be imported: {wrong}"


def circle(graph: dict[str, set[str]]) -> str:
    """One circle of imports, written out; "" if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " is imported by ".join(error.args[1])
    return ""


def test_no_file_stands_in_a_circle_of_imports():
    assert not circle({module: others - DOORS.get(module, set()) for module, others in GRAPH.items()})


def test_no_two_folders_of_a_room_import_each_other():
    """Folders next to each other; a folder and the room it lies in may (its base, its registry)."""
    graph: dict[str, set[str]] = {}
    for module, others in GRAPH.items():
        for other in others:
            mine, its = module.split("."), other.split(".")
            if len(mine) > 2 and len(its) > 2 and mine[0] == its[0] and mine[1] != its[1]:
                graph.setdefault(".".join(mine[:2]), set()).add(".".join(its[:2]))
    assert not circle(graph)


def test_every_import_is_written_out():
    dots = [m for m, source in SOURCES.items() if any(n.startswith(".") for n in imported(source))]
    assert not dots, f"an import by dots hides where it points: {dots}"
    computed = {m for m, source in SOURCES.items() if "?" in imported(source)}
    assert computed <= GIVEN_NAMES, f"computed names of imports: {computed - GIVEN_NAMES}"


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("def f():\n    from spexapi.views import plots", {"views", "views.plots"}),
        ("if TYPE_CHECKING:\n    import spexapi.views.plots", {"views", "views.plots"}),
        ("import_module('spexapi.views.plots')", {"views", "views.plots"}),
        ("importlib.import_module('spexapi.views')", {"views"}),
        ("TABLE = {'plots': 'spexapi.views.plots:network'}", {"views", "views.plots"}),
        ("files('spexapi.views').joinpath('x.css')", {"views"}),
        ("import spexapi", {"spexapi"}),
        ("from spexapi import explain", {"spexapi"}),
    ],
)
def test_no_way_to_import_goes_unseen(code: str, reads: set[str]):
    sources = {m: ast.parse("x = 1") for m in ("spexapi", "views", "views.plots")}
    assert ours(sources | {"fourier.masks": ast.parse(code)})["fourier.masks"] == reads


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
    for module, source in SOURCES.items():
        for node in ast.walk(source):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spexapi"):
                wrong += [f"{module}: {a.name}" for a in node.names if a.name.startswith("_")]
    assert not [w for w in wrong if w.split(": ")[1] not in {m.rpartition(".")[2] for m in GRAPH}], wrong


def test_folders_can_be_read_at_a_glance():
    top = [p.name for p in PACKAGE.glob("*.py")]
    assert len(top) <= 10, f"at most ten files on the top floor: {top}"
    sizes = Counter(p.parent for p in files() if p.stem != "__init__")
    full = {d.relative_to(PACKAGE).as_posix(): n for d, n in sizes.items() if n > 16}
    assert not full, f"folders with more than about fifteen files: {full}"


@pytest.mark.parametrize("path", files(), ids=module_of)
def test_heavy_imports_stay_with_their_owner(path: Path):
    place = path.relative_to(PACKAGE).as_posix()
    roots = {n.split(".")[0] for n in imported(tree(path))}
    for heavy, owners in OWNERS.items():
        if heavy in roots:
            assert any(place.startswith(o) for o in owners), (
                f"{place} imports {heavy}, which belongs to {owners}"
            )


def in_backticks(said: str) -> set[str]:
    """The folders and files that it names: `folder/`, `file.py`, `folder/file.py`."""
    return set(re.findall(r"`([\w/]+(?:/|\.py))`", said))


def section(title: str) -> str:
    """The README's text under a heading, up to the next of its level."""
    return text(ROOT / "README.md").split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_map_of_the_readme_is_the_tree():
    inside = section("What is inside")
    rows = [in_backticks(line.split("|")[1]) for line in inside.splitlines() if line.startswith("| `")]
    missing = [name for row in rows for name in row if not (PACKAGE / name).exists()]
    assert not missing, f"rooms of the map that are not in the tree: {missing}"
    rooms = {f"{p.name}/" for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    rooms |= {p.name for p in PACKAGE.glob("*.py") if not p.name.startswith("__")} - {"spectrum.py"}
    assert not rooms - in_backticks(inside), (
        f"rooms that the map does not name: {rooms - in_backticks(inside)}"
    )
    places = [{rank(name.rstrip("/").removesuffix(".py")) for name in row} for row in rows]
    wrong = [rows[i + 1] for i in range(len(rows) - 1) if min(places[i + 1]) < max(places[i])]
    assert not wrong, f"imports point up the map, these stand too low: {wrong}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_the_guides_name_is_there(name: str):
    said = section("What is inside") if name == "README.md" else text(ROOT / name)
    there = [*ROOT.iterdir(), *(p for d in ("spexapi", "tests", "examples") for p in (ROOT / d).rglob("*"))]
    paths = [f"/{p.relative_to(ROOT).as_posix()}" for p in there]
    lost = [n for n in in_backticks(said) if not any(p.endswith(f"/{n.rstrip('/')}") for p in paths)]
    assert not lost, f"{name} names what is not there: {lost}"


def test_import_is_light():
    code = (
        "import sys, spexapi\n"
        "heavy = {'torch', 'gradio', 'transformers', 'openai', 'plotly', 'ray', 'xgboost', 'sklearn',"
        " 'pandas', 'scipy', 'sentencex', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def lengths(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> dict[str, int]:
    """Lines of every node of that kind in the package, by file and name."""
    return {
        f"{module}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module, source in SOURCES.items()
        for node in ast.walk(source)
        if isinstance(node, kind)
    }


def test_files_stay_readable():
    lines = {module_of(path): len(text(path).splitlines()) for path in files()}
    long = {module: n for module, n in lines.items() if n > LONGEST_FILE}
    assert not long, f"files past {LONGEST_FILE} lines want another design: {long}"


def test_functions_stay_readable():
    lines = lengths((ast.FunctionDef, ast.AsyncFunctionDef))
    assert max(lines.values()) <= LONGEST_FUNCTION
    long = {name: n for name, n in lines.items() if n > 40}
    assert len(long) <= FUNCTIONS_PAST_40, f"functions past 40 lines: {long}"


def test_types_say_something():
    """`: Any` switches the type checker off: a Protocol, a library's own types or object mostly do."""
    found = Counter({module_of(path): text(path).count(": Any") for path in files()})
    assert found.total() <= ANNOTATED_ANY, found.most_common(10)


def private(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"_[A-Za-z]\w*", name) is not None


def reached(source: ast.Module) -> set[str]:
    """Private names that a test takes from what it did not write: imported, read from an object, patched."""
    own = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    modules = {f"spexapi.{module}" for module in SOURCES}
    found: set[object] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom):
            found |= {a.name for a in node.names if f"{node.module}.{a.name}" not in modules}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in {"self", "cls", "super()"}:
            found.add(node.attr)
        elif called(node) in {"setattr", "getattr", "delattr"}:
            found |= {getattr(arg, "value", None) for arg in node.args[1:2]}
    return {str(name) for name in found if private(name)} - own


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda p: p.stem)
def test_a_test_knows_what_others_may_know(path: Path):
    """Private names only where INSIDE says why; private files of one folder, the one next door."""
    source = tree(path)
    assert reached(source) == INSIDE.get(path.stem, {}).keys()
    names = {n for n in imported(source) if n.startswith("spexapi.") and any(map(private, n.split(".")[1:]))}
    folders = {n[: n.index("._")] for n in names}
    assert len(folders) <= 1, f"{path.name} imports private files of {folders}"


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
            for root in ("/" + "root/", "/" + "home/", "/" + "work/"):
                assert root not in text(path), f"{name} names {root}"


def test_a_space_installs_what_the_package_needs():
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [d for part in ("local", "ui", "hosted") for d in extras[part]]
    needed = {d.split(";")[0].strip() for d in wanted}
    lines = text(ROOT / "requirements.txt").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    # a Space has gradio already, in the version its README names, and is no Mac
    assert listed == {d for d in needed if not d.startswith(("gradio", "xgboost>"))}
