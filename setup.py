"""Builds lstmc._core: the C library (csrc/compile_kernels.py) and its Cython door.

Everything declarative is in pyproject.toml. `python setup.py build_ctest` makes the C
test program over the same objects.
"""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

sys.path.insert(0, "csrc")
import compile_kernels

# One wheel serves 3.11 and everything after it; a free-threaded interpreter has no
# stable ABI yet and takes a wheel of its own.
LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")


class BuildExt(build_ext):
    """Compile the kernels, then translate, compile and link _core over them."""

    def run(self):
        # setuptools asks for its compiler before it looks at an extension; it must be
        # the one that the kernels were compiled with, or OpenMP runtimes would mix.
        self.toolchain = compile_kernels.find_toolchain()
        if os.name != "nt":
            os.environ["CC"] = shlex.join(self.toolchain.driver)
        super().run()

    def build_extension(self, ext):
        import numpy
        from Cython.Build import cythonize

        units = compile_kernels.library_units(self.toolchain)
        ext.extra_objects = compile_kernels.compile_units(self.toolchain, units)
        ext.depends = ext.extra_objects
        ext.include_dirs.append(numpy.get_include())
        ext.extra_link_args = link_args(self.toolchain)
        directives = {"language_level": 3, "freethreading_compatible": True}
        [translated] = cythonize(
            ext.sources, build_dir="build", compiler_directives=directives, quiet=True
        )
        ext.sources = translated.sources
        super().build_extension(ext)


def link_args(toolchain):
    """What setuptools' linker needs; on Windows that is MSVC's, not the driver."""
    if os.name != "nt":
        return toolchain.link
    if "-fopenmp" not in toolchain.link:
        return []
    llvm = Path(shutil.which(toolchain.driver[0])).resolve().parent.parent
    return ["libomp.lib", f"/LIBPATH:{llvm / 'lib'}"]


class BuildPy(build_py):
    """Put the public headers into the wheel, as lstmc/include/lstmc.h and beside it."""

    HEADERS = sorted(path.name for path in Path("csrc/include").glob("*.h"))

    def run(self):
        super().run()
        if not self.editable_mode:
            self.mkpath(self.folder())
            for name, place in zip(self.HEADERS, self.places()):
                self.copy_file(f"csrc/include/{name}", place)

    def folder(self):
        return os.path.join(self.build_lib, "lstmc", "include")

    def places(self):
        return [os.path.join(self.folder(), name) for name in self.HEADERS]

    def get_outputs(self, include_bytecode=1):
        return [*super().get_outputs(include_bytecode), *self.places()]


class BuildCTest(Command):
    """Build the C test program: the same objects, without Python."""

    description = "build the C test program"
    user_options = []

    def initialize_options(self):
        pass

    def finalize_options(self):
        pass

    def run(self):
        print(compile_kernels.build_ctest().relative_to(compile_kernels.ROOT))


setup(
    ext_modules=[
        Extension(
            "lstmc._core",
            ["src/lstmc/_core.pyx"],
            include_dirs=["csrc", "csrc/include"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
            extra_compile_args=[] if os.name == "nt" else ["-g0"],
            py_limited_api=LIMITED,
        )
    ],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy, "build_ctest": BuildCTest},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
