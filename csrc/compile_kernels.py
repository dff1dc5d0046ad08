"""Compiles csrc/: plain files once, cells and kernels once per target and dtype.

One file becomes up to six objects (three instruction sets, two dtypes), which neither
setuptools nor MSVC can do. An object is made again when its source, a header, the
compiler or a flag changed. Environment:

CC              the compiler driver, GCC or Clang, cross compilers too
LSTMC_TARGETS   "baseline" leaves AVX2 and AVX-512 out
LSTMC_OPENMP    "0" builds without threads
LSTMC_LIBOMP    where libomp is installed (macOS: the prefix holding include and lib)
LSTMC_SANITIZE  "address,undefined": for the C test program, with -O1 -g
LSTMC_TILES     "1" makes the tiles of AMX in C, for tests on machines without them
LSTMC_STATIC    "1" links the C test program statically, as user-mode qemu wants it
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent.parent

# Files of the C test program that are compiled as kernels are.
FOR_EACH_TARGET = {"test_vmath.c", "test_lanes.c", "test_product.c", "test_digits.c"}

# With LSTMC_TILES these are compiled for tiles in C, and for nothing else.
WITH_TILES = {"csrc/cpu.c", "csrc/kernels/digit_product.c"}
TILES = ["-DLSTMC_TILES", "-include", "tests/c/tiles.h"]

# A loop starts with a line: where it lies else decides about a few per cent.
X86_TARGETS = {
    "avx2": ["-mavx2", "-mfma", "-falign-loops=64"],
    "avx512": [
        "-falign-loops=64",
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"),
        "-mprefer-vector-width=512",
    ],
}

# No fast math, nothing native: a NaN stays a NaN, and a wheel runs on any machine.
COMMON = [
    *("-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math"),
    *("-ffp-contract=fast", "-fopenmp-simd", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror=implicit"),
    *("-Icsrc", "-Icsrc/include"),
]

NO_COMPILER = """
lstmc is built from C and needs GCC 9 or newer, or Clang 10 or newer.
{found}
  Debian, Ubuntu   apt install gcc libc6-dev python3-dev
  Fedora           dnf install gcc python3-devel
  macOS            xcode-select --install; brew install libomp
  Windows          winget install LLVM.LLVM, and the Visual Studio build tools
The environment variable CC names another compiler. MSVC's cl cannot build lstmc, since
the kernels use the vector extensions of GCC and Clang; name clang, not clang-cl."""

# What the oldest supported compiler must know.
VECTORS = """
typedef float f32x4 __attribute__((vector_size(16)));
typedef int i32x4 __attribute__((vector_size(16)));
int main(void) {
    f32x4 x = {1, 2, 3, 4};
    return __builtin_convertvector(x, i32x4)[0] - 1;
}
"""

# Without OpenMP its pragmas are no news.
QUIET = ["-Wno-unknown-pragmas"]

OPENMP = """
#include <omp.h>
int main(void) {
    int n = 0;
    #pragma omp parallel for num_threads(2) reduction(+:n)
    for (int k = 0; k < omp_get_max_threads(); ++k) n += 1;
    return n < 1;
}
"""


@dataclass(frozen=True)
class Toolchain:
    """A compiler driver, what it builds for, and the flags found to work with it."""

    driver: list[str]  # what every compilation starts with
    machine: str  # as the compiler names it, such as x86_64-linux-gnu
    version: str
    targets: dict[str, list[str]]  # name of the target: its flags
    flags: list[str]  # for every file
    link: list[str]  # for whoever links the objects


@dataclass(frozen=True)
class Unit:
    """One object to be made: a source, relative to the root, and its own flags."""

    source: str
    object: Path
    flags: list[str]


def find_toolchain() -> Toolchain:
    """The compiler of CC, or else the first usual one, and its flags by trial."""
    usual = [["clang"]] if os.name == "nt" else [["cc"], ["gcc"], ["clang"]]
    asked = shlex.split(os.environ.get("CC", ""))
    choice = [asked] if asked else usual
    driver = next((names for names in choice if shutil.which(names[0])), None)
    if driver is None:
        names = " or ".join(" ".join(names) for names in choice)
        raise CompileError(NO_COMPILER.format(found=f"Not found: {names}."))
    if sys.platform == "darwin":
        driver += shlex.split(
            os.environ.get("ARCHFLAGS", f"-arch {platform.machine()}")
        )

    machine = ask(driver, "-dumpmachine")
    version = ask(driver, "--version").partition("\n")[0]
    targets = {"baseline": [], **(X86_TARGETS if is_x86(machine) else {})}
    wanted = os.environ.get("LSTMC_TARGETS", "all")
    if wanted == "baseline":
        targets = {"baseline": []}
    elif wanted != "all":
        raise CompileError(
            f'LSTMC_TARGETS: expected "baseline" or "all", got {wanted!r}'
        )

    # In the GNU form Clang for Windows links the static C runtime unless told; Python
    # links the dynamic one. Code is position-independent there without a flag.
    flags = COMMON + (
        ["-fms-runtime-lib=dll"] if "windows-msvc" in machine else ["-fPIC"]
    )
    for name, own in targets.items():
        complaint = refuses([*driver, *flags, *own], VECTORS)
        if complaint:
            found = f"{version} cannot compile for {name}:\n{complaint}"
            raise CompileError(NO_COMPILER.format(found=found))

    compile_openmp, link = find_openmp(driver)
    link = link + ([] if os.name == "nt" else ["-lm"])
    flags += compile_openmp
    if sanitizers := os.environ.get("LSTMC_SANITIZE"):
        sanitize = [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
        flags += [*sanitize, "-fno-omit-frame-pointer", "-O1", "-g"]
        link += sanitize
    return Toolchain(driver, machine, version, targets, flags, link)


def ask(driver: list[str], question: str) -> str:
    """What a GCC-like driver answers about itself."""
    answer = subprocess.run([*driver, question], capture_output=True, text=True)
    if answer.returncode or not answer.stdout.strip():
        found = f"{' '.join(driver)} is neither GCC nor Clang: no answer to {question}."
        raise CompileError(NO_COMPILER.format(found=found))
    return answer.stdout.strip()


def is_x86(machine: str) -> bool:
    """Whether a machine, as compilers name it, is x86-64; 32 bits are not."""
    return machine.startswith(("x86_64", "amd64")) and "x32" not in machine


def refuses(command: list[str], program: str, link: list[str] | None = None) -> str:
    """The compiler's complaint about a program, linked too if `link` is given."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(program)
        end = ["-c"] if link is None else link
        run = subprocess.run(
            [*command, str(source), *end, "-o", str(Path(folder, "probe.out"))],
            capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
    return (run.stderr or f"exit status {run.returncode}") if run.returncode else ""


def find_openmp(driver: list[str]) -> tuple[list[str], list[str]]:
    """The flags for compiling and for linking with OpenMP; none where there is none."""
    if os.environ.get("LSTMC_OPENMP", "1") == "0":
        print(
            "lstmc: LSTMC_OPENMP=0: built without OpenMP, one thread", file=sys.stderr
        )
        return QUIET, []
    ways = [(["-fopenmp"], ["-fopenmp"])]
    prefix = os.environ.get("LSTMC_LIBOMP")
    places = (
        [prefix] if prefix else ["/opt/homebrew/opt/libomp", "/usr/local/opt/libomp"]
    )
    if sys.platform == "darwin":
        ways = [
            (["-Xpreprocessor", "-fopenmp", f"-I{place}/include"],
             [f"-L{place}/lib", "-lomp"])
            for place in places
        ]  # fmt: skip
    for compiling, linking in ways:
        if not refuses([*driver, *compiling], OPENMP, linking):
            return compiling, linking
    print(
        f"lstmc: no OpenMP with {' '.join(driver)}: built for one thread. To use more, "
        "install libgomp for GCC, libomp for Clang, and build again.",
        file=sys.stderr,
    )
    return QUIET, []


def build_folder(toolchain: Toolchain) -> Path:
    """Where the objects of this machine go; sanitized ones stay apart."""
    apart = "-sanitize" if os.environ.get("LSTMC_SANITIZE") else ""
    return ROOT / "build" / f"objects-{toolchain.machine}{apart}"


def library_units(toolchain: Toolchain) -> list[Unit]:
    """Every object of the library."""
    folder = build_folder(toolchain)
    plain = sources("csrc/*.c") + sources("csrc/decode/*.c")
    units = [
        Unit(c, folder / f"{Path(c).stem}.o", defines_of(toolchain)) for c in plain
    ]
    for c in sources("csrc/cells/*.c") + sources("csrc/kernels/*.c"):
        stem = f"{Path(c).parent.name}.{Path(c).stem}"
        units += target_units(toolchain, c, folder / stem)
    return [with_tiles(unit) for unit in units] if tiles_in_c() else units


def tiles_in_c() -> bool:
    """Whether the tests are for AMX on a machine that need not have it."""
    return os.environ.get("LSTMC_TILES") == "1"


def with_tiles(unit: Unit) -> Unit:
    """The unit with tiles in C, an object of its own, if it has to do with them."""
    if unit.source not in WITH_TILES:
        return unit
    return Unit(unit.source, unit.object.with_suffix(".tiles.o"), unit.flags + TILES)


def defines_of(toolchain: Toolchain) -> list[str]:
    """What plain files must know of the targets."""
    return ["-DLSTMC_X86=1"] if len(toolchain.targets) > 1 else []


def target_units(toolchain: Toolchain, source: str, stem: Path) -> list[Unit]:
    """The objects of a source that is compiled once per target and dtype."""
    return [
        Unit(
            source,
            stem.with_name(f"{stem.name}.{target}.{'f64' if f64 else 'f32'}.o"),
            [f"-DLSTMC_TARGET={target}", f"-DLSTMC_F64={f64}", *own],
        )
        for target, own in toolchain.targets.items()
        for f64 in (0, 1)
    ]


def test_units(toolchain: Toolchain) -> list[Unit]:
    """The objects of the C test program, beside those of the library."""
    folder = build_folder(toolchain)
    units = []
    for c in sources("tests/c/*.c"):
        stem = folder / f"test.{Path(c).stem}"
        if Path(c).name in FOR_EACH_TARGET:
            units += target_units(toolchain, c, stem)
        else:
            name = stem.with_name(f"{stem.name}.o")
            units.append(Unit(c, name, defines_of(toolchain)))
    return units


def sources(pattern: str) -> list[str]:
    """Files as the compiler is given them: relative, so that no path enters a wheel."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def compile_units(toolchain: Toolchain, units: list[Unit]) -> list[str]:
    """Make every stale object, as many at once as there are cores; return all names."""
    jobs = [(unit, compile_command(toolchain, unit)) for unit in units]
    stale = [(u, command) for u, command in jobs if is_stale(toolchain, u, command)]
    if stale:
        print(
            f"lstmc: compiling {len(stale)} of {len(units)} objects for "
            f"{toolchain.machine} ({', '.join(toolchain.targets)}) with "
            f"{toolchain.version}",
            file=sys.stderr,
        )
        build_folder(toolchain).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: compile_one(toolchain, *job), stale))
    return [str(unit.object.relative_to(ROOT)) for unit in units]


def compile_command(toolchain: Toolchain, unit: Unit) -> list[str]:
    """The whole command line of one object."""
    name = unit.object.relative_to(ROOT).as_posix()
    return [
        *toolchain.driver, *toolchain.flags, *unit.flags,
        "-MMD", "-MT", "object", "-c", unit.source, "-o", name,
    ]  # fmt: skip


def is_stale(toolchain: Toolchain, unit: Unit, command: list[str]) -> bool:
    """Whether a source, a header, the compiler or a flag is newer than the object."""
    stamp, depends = unit.object.with_suffix(".cmd"), unit.object.with_suffix(".d")
    if not (stamp.exists() and depends.exists() and unit.object.exists()):
        return True
    if stamp.read_text() != stamp_text(toolchain, command):
        return True
    made = unit.object.stat().st_mtime_ns
    names = depends.read_text().partition(":")[2].replace("\\\n", " ").split()
    files = [ROOT / name for name in names]
    return any(not file.exists() or file.stat().st_mtime_ns > made for file in files)


def stamp_text(toolchain: Toolchain, command: list[str]) -> str:
    """What, beside the files, an object was made from."""
    return f"{toolchain.version}\n{shlex.join(command)}\n"


def compile_one(toolchain: Toolchain, unit: Unit, command: list[str]) -> None:
    """Make one object; its stamp is written last, so that a broken run is redone."""
    stamp = unit.object.with_suffix(".cmd")
    stamp.unlink(missing_ok=True)
    run_compiler(command, unit.source)
    stamp.write_text(stamp_text(toolchain, command))


def run_compiler(command: list[str], what: str) -> None:
    """Run a compilation or a link; warnings are shown, an error names the command."""
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if run.returncode:
        raise CompileError(f"{what}\n{shlex.join(command)}\n{run.stdout}{run.stderr}")
    sys.stderr.write(run.stderr)


def build_ctest() -> Path:
    """Link the C test program over the library's objects; return where it is."""
    toolchain = find_toolchain()
    tests = test_units(toolchain)
    if not tests:
        raise CompileError(
            "tests/c: expected the C files of the test program, got none"
        )
    objects = compile_units(toolchain, library_units(toolchain) + tests)
    folder = build_folder(toolchain)
    home = folder.with_name(folder.name.replace("objects-", "ctest-"))
    home.mkdir(exist_ok=True)
    program = home / ("lstmc_test_tiles" if tiles_in_c() else "lstmc_test")
    static = ["-static"] if os.environ.get("LSTMC_STATIC") == "1" else []
    name = str(program.relative_to(ROOT))
    run_compiler(
        [*toolchain.driver, *static, *objects, "-o", name, *toolchain.link],
        "linking the C test program",
    )
    return program
