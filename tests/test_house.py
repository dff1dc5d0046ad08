"""The rules of STYLE.md that a machine can hold: order, names, lengths, leftovers."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC, PACKAGE = ROOT / "csrc", ROOT / "src" / "lstmc"

# Each may use what stands before it, never what stands after.
C_ORDER = ["real", "vmath", "cell", "cells", "tables", "kernels", "decode", "lstmc"]
PYTHON_ORDER = [
    *("_core", "sequences", "images", "layers", "networks"),
    *("models", "training", "estimators"),
]


def files(*patterns, folders=("csrc", "src", "tests", "bench", "examples")):
    found = [
        p for f in folders for ending in patterns for p in (ROOT / f).rglob(ending)
    ]
    assert found, f"no {patterns} under {folders}: the rule would hold of nothing"
    return sorted(found)


def written():
    """All that people write."""
    endings = ("*.c", "*.h", "*.py", "*.pyx", "*.pxi", "*.pyi")
    return [*files(*endings), ROOT / "setup.py"]


def name(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return path.read_text(encoding="utf-8")


def lines(path):
    return read(path).splitlines()


def without_comments(path):
    """C text with its comments blanked, line numbers kept."""
    text = read(path)
    text = re.sub(
        r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL
    )
    return re.sub(r"//[^\n]*", "", text)


def code(path):
    """C text without comments and strings: what is compiled."""
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', without_comments(path))


def matches(pattern, paths, text=code):
    """Where a pattern occurs, as file:line: text."""
    return [
        f"{name(path)}:{k}: {line.strip()}"
        for path in paths
        for k, line in enumerate(text(path).splitlines(), 1)
        if re.search(pattern, line)
    ]


def reached(start, graph):
    """Everything that can be reached from a node, along the edges of a graph."""
    seen, waiting = set(), [start]
    while waiting:
        for node in graph[waiting.pop()] - seen:
            seen.add(node)
            waiting.append(node)
    return seen


def upward(graph, order, layer):
    """The edges, direct or not, that lead from a layer to a later one."""
    rank = {entry: k for k, entry in enumerate(order)}
    return [
        f"{start} -> {end}"
        for start in sorted(graph)
        for end in sorted(reached(start, graph))
        if rank.get(layer(start), len(order)) < rank.get(layer(end), -1)
    ]


# Order


def c_includes():
    """Which file of csrc/ includes which, by path below csrc/."""
    paths = [p for ending in ("*.c", "*.h") for p in CSRC.rglob(ending)]
    by_name = {p.name: p.relative_to(CSRC).as_posix() for p in paths}
    quoted = re.compile(r'^\s*#\s*include\s+"(?:[^"]*/)?([^"/]+)"', re.MULTILINE)
    return {
        path.relative_to(CSRC).as_posix(): {
            by_name[header] for header in quoted.findall(read(path))
        }
        for path in paths
    }


def c_layer(path):
    """A folder is a layer, a header of csrc/ is one; its .c files are the last."""
    if "/" in path:
        return path.partition("/")[0]
    return path.removesuffix(".h") if path.endswith(".h") else "lstmc"


def test_c_includes_run_one_way():
    graph = c_includes()
    assert {c_layer(path) for path in graph} >= set(C_ORDER), "a layer has no file"
    assert upward(graph, C_ORDER, c_layer) == []
    assert [path for path in graph if path in reached(path, graph)] == []


def test_cells_know_no_threads():
    graph = c_includes()
    cells = [path for path in graph if path.startswith("cells/")]
    assert [c for c in cells if "parallel.h" in reached(c, graph)] == []


def python_imports():
    """Which module of lstmc imports which, lazily or not; not __init__, the face."""
    paths = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts): p
        for p in PACKAGE.rglob("*.py")
        if p != PACKAGE / "__init__.py"
    }
    paths = {module.removesuffix(".__init__"): p for module, p in paths.items()}
    modules = set(paths) | {"_core"}
    graph = {module: set() for module in modules}
    for module, path in paths.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(read(path))):
            graph[module] |= {m for m in imported(node, package) if m in modules}
    return graph


def imported(node, package):
    """The modules an import statement may name, relative to lstmc."""
    if isinstance(node, ast.Import):
        return [a.name.removeprefix("lstmc.") for a in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        above = package.split(".")[: len(package.split(".")) + 1 - node.level]
        base = ".".join([p for p in above if p] + [node.module or ""]).strip(".")
    elif (node.module or "").partition(".")[0] == "lstmc":
        base = node.module.partition(".")[2]
    else:
        return []
    return [base] + [f"{base}.{a.name}".strip(".") for a in node.names]


def test_python_imports_run_one_way():
    graph = python_imports()

    def layer(module):
        return module.partition(".")[0]

    assert {layer(module) for module in graph} >= set(PYTHON_ORDER), (
        "a layer is missing"
    )
    assert upward(graph, PYTHON_ORDER, layer) == []


def test_the_door_imports_nothing_of_ours():
    door = [PACKAGE / "_core.pyx", *sorted(PACKAGE.glob("_*.pxi"))]
    assert matches(r"^\s*(from|import|cimport)\s+(\.|lstmc)", door, read) == []


# The registry


def test_registry_equals_folder():
    rows = re.findall(r"^ +ROW\((\w+)\)", read(CSRC / "cells.h"), re.MULTILINE)
    assert sorted(rows) == sorted(path.stem for path in (CSRC / "cells").glob("*.c"))


# Kernels and cells


def test_every_parallel_region_says_its_threads():
    found = 0
    for path in files("*.c", "*.h", folders=["csrc"]):
        text = without_comments(path).replace("\\\n", " ")
        for pragma in re.findall(r"pragma omp parallel[^\n]*|_Pragma\([^\n]*", text):
            if "omp parallel" in pragma:
                found += 1
                assert "num_threads(" in pragma, f"{name(path)}: {pragma}"
    assert found, "no parallel region in csrc/: the rule would hold of nothing"


def test_threads_are_in_kernels_and_parallel_only():
    allowed = {CSRC / "parallel.c", CSRC / "parallel.h", *(CSRC / "kernels").iterdir()}
    others = [p for p in files("*.c", "*.h", folders=["csrc"]) if p not in allowed]
    assert (
        matches(r"\bomp\s+(parallel|for|task)\b|\bomp_\w+\s*\(|pthread_create", others)
        == []
    )


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        # Short loops: no pragma, no library call, no memory of its own.
        ("csrc/cells", r"#\s*pragma|_Pragma|<(math|stdlib|stdio)\.h>"),
        ("csrc/cells", r"\b(exp|tanh|log1?p?|sqrt|pow|fabs)f?\s*\("),
        # Whoever calls owns the memory and hears of the errors.
        ("csrc/kernels", r"\b(malloc|calloc|realloc|aligned_alloc|free)\s*\("),
        ("csrc/kernels", r"\b(f?printf|puts|abort|exit|assert)\s*\("),
        ("csrc/decode", r"\b(malloc|calloc|realloc|aligned_alloc|free)\s*\("),
        ("csrc/decode", r"\b(f?printf|puts|abort|exit|assert)\s*\("),
    ],
)
def test_kernels_compute_and_nothing_else(folder, forbidden):
    assert matches(forbidden, files("*.c", "*.h", folders=[folder])) == []


def test_no_fast_math_and_nothing_native():
    flags = "|".join(["fast" + "-math", "march" + "=native", "mcpu" + "=native"])
    built = [ROOT / "setup.py", ROOT / "Makefile", ROOT / "pyproject.toml"]
    built += files("*.py", folders=["csrc", "bench"]) + files(
        "*.yml", folders=[".github"]
    )
    assert matches(flags, built, read) == []
    own = files(
        "*.c", "*.h", "*.pyx", "*.pxi", folders=["csrc", "src", "tests", "bench"]
    )
    assert matches(flags + r"|GCC optimize|\boptimize\(", own) == []


# Names and lengths


def test_a_c_file_says_its_name_and_idea_first():
    paths = files("*.c", "*.h", folders=["csrc", "tests", "bench"])
    wrong = [p for p in paths if not lines(p)[0].startswith(f"/* {p.name} - ")]
    assert [f"{name(p)}: {lines(p)[0]}" for p in wrong] == []


def test_a_c_file_name_occurs_once():
    names = [path.name for path in files("*.c", "*.h", folders=["csrc"])]
    assert sorted(n for n in set(names) if names.count(n) > 1) == []


def test_a_module_says_its_idea_first():
    paths = [p for p in files("*.py") if read(p).strip()]
    docs = {p: ast.get_docstring(ast.parse(read(p))) for p in paths}
    assert [name(p) for p, doc in docs.items() if not doc] == []


@pytest.mark.parametrize(
    ("folder", "patterns", "longest"),
    [
        ("csrc/cells", ["*.c"], 120),
        ("csrc", ["*.c", "*.h", "*.py"], 400),
        ("src", ["*.py", "*.pyx", "*.pxi"], 400),
        ("tests", ["*.py", "*.c"], 400),
        ("bench", ["*.py", "*.c"], 400),
    ],
)
def test_a_file_is_one_idea_long(folder, patterns, longest):
    lengths = {name(p): len(lines(p)) for p in files(*patterns, folders=[folder])}
    assert {p: n for p, n in lengths.items() if n > longest} == {}


def test_lines_have_88_columns():
    assert matches("^.{89}", written(), read) == []


# Leftovers


def test_nothing_is_left_for_later():
    words = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"])
    assert matches(rf"\b({words})\b(?!\(#\d+\))", written(), read) == []
    assert matches(r"^\s*#\s*if\s+0\b", files("*.c", "*.h")) == []


# One version


def test_the_version_is_the_same_everywhere():
    import lstmc

    version = lstmc.__version__  # pyproject.toml reads it from there, too
    changes = re.findall(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert changes[0] == version
    assert f"\nversion: {version}\n" in read(ROOT / "CITATION.cff")
    assert f'#define LSTMC_VERSION "{version}"\n' in read(CSRC / "include" / "lstmc.h")
