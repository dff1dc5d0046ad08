"""The product's loops as compiled: sums stay in registers, never on the stack."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "objects-x86_64-linux-gnu"
OBJECTS = sorted(
    path
    for kernel in ("product", "ready", "outer", "deep")
    for path in BUILT.glob(f"kernels.{kernel}.avx*.o")
)
INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)$")

needs_objects = pytest.mark.skipif(
    not OBJECTS or not shutil.which("objdump"),
    reason="reads the objects of a build for x86-64 in this checkout with objdump",
)


def functions(path):
    """Name of each function: its instructions (address, mnemonic, operands)."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        if header := re.match(r"^[0-9a-f]+ <(.+)>:$", line):
            body = found.setdefault(header[1], [])
        elif instruction := INSTRUCTION.match(line):
            address, mnemonic, operands = instruction.groups()
            body.append((int(address, 16), mnemonic, operands))
    return found


def innermost_loops(body):
    """What stands between a jump back and its target, without a loop inside.

    Loops of products have no way out but their end: where one is, it is a jump from
    elsewhere into a loop.
    """
    spans = []
    for address, mnemonic, operands in body:
        target = re.match(r"([0-9a-f]+) <", operands)
        if mnemonic.startswith("j") and target and int(target[1], 16) < address:
            spans.append((int(target[1], 16), address))
    inner = [
        span
        for span in spans
        if not any(
            other != span and span[0] <= other[0] and other[1] <= span[1]
            for other in spans
        )
    ]
    loops = [[i for i in body if first <= i[0] <= last] for first, last in inner]
    return [
        loop for loop in loops if not any(i[1] in ("jmp", "ret") for i in loop[:-1])
    ]


def product_loops(path):
    """The innermost loops that multiply and add vectors, and the stack's registers."""
    for name, body in functions(path).items():
        framed = any(m == "mov" and o == "%rsp,%rbp" for _, m, o in body)
        stack = ("(%rsp", "(%rbp") if framed else ("(%rsp",)
        for loop in innermost_loops(body):
            sums = [i for i in loop if i[1].startswith("vfmadd") and i[1][-2] == "p"]
            if sums:
                yield name, loop, sums, stack


def test_a_loop_is_found_and_a_spill_is_seen():
    # 0: the loop's head; 8: a sum spilled to the stack; 16: back.
    body = [
        (0, "vfmadd231ps", "%ymm0,%ymm1,%ymm2"),
        (8, "vmovaps", "%ymm2,0x20(%rsp)"),
        (16, "jne", "0 <f>"),
        (24, "ret", ""),
    ]
    assert innermost_loops(body) == [body[:3]]


@needs_objects
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.stem[8:])
def test_sums_stay_in_registers(path):
    loops = list(product_loops(path))
    # As many sums in flight as there are registers for: 6 rows of 2 vectors; 12 of 2
    # and 6 of 4 with AVX-512, whose loops are written out twice.
    has_32 = "avx512" in path.name
    most = 2 * 24 if has_32 else 12
    if ".ready." in path.name:  # of one row
        most = 8
    assert max(len(sums) for _, _, sums, _ in loops) == most
    if ".deep." not in path.name:  # none of the heights of a tile was passed over
        rows = 12 if has_32 else 6
        heights = Counter(name for name, *_ in loops)
        beside = 8 if has_32 else 4  # of one row
        assert heights.pop("sum_panels", beside) == beside
        assert heights.pop("sum_stripes", beside) == beside
        assert heights.pop("striped", 9) == 9  # up to three rows; one, two, four panels
        assert set(heights.values()) == (set() if ".ready." in path.name else {rows})
    for name, loop, _, stack in loops:
        # Offsets of twelve rows do not fit the general registers: those may be there.
        vectors = [i for i in loop if i[1].startswith("v")]
        spilled = [i for i in vectors if any(register in i[2] for register in stack)]
        assert not spilled, f"{name}: {spilled}"
        stores = [i for i in loop if i[1].startswith("vmov") and i[2].endswith(")")]
        assert not stores, f"{name}: {stores}"


@needs_objects
@pytest.mark.parametrize(
    "path",
    [p for p in OBJECTS if "avx512" in p.name and ".deep." not in p.name],
    ids=lambda path: path.stem[8:],
)
def test_a_panel_is_read_once_for_all_rows(path):
    # A multiply-add may read memory itself; a second one of the same place reads again.
    for name, _, sums, _ in product_loops(path):
        places = [o.rsplit(",", 2)[0] for _, _, o in sums]
        read = [place for place in places if place.endswith(")")]
        assert len(read) == len(set(read)), f"{name}: {read}"
