# Everything that checks or shows: demo, run, test, lint, bench.

PYTEST = /usr/bin/python3 -m pytest -q -n $(JOBS) --dist loadgroup \
    -p no:cacheprovider tests/e2e
JOBS ?= 4
MAKEJ = $(MAKE) --no-print-directory -j$(shell nproc)

# -- for a newcomer: these install what is missing

PORT ?= 8080

.PHONY: demo run test
demo:
	@tests/deps.sh build
	@$(MAKEJ) all
	@tests/demo.sh "$(B)" "$(PORT)"

# With a terminal, set -m makes Ctrl-C reach msvc alone: make would take it for
# a failure and exit 2 after the clean stop.
run:
	@tests/deps.sh build
	@$(MAKEJ) all
	@echo 'The shop answers on http://127.0.0.1:$(PORT); Ctrl-C stops it.'
	@conf=$$(tests/shop_conf.sh "$(B)" "$(PORT)") && \
	    { [ ! -t 0 ] || set -m; } && "$(B)/bin/msvc" -c "$$conf" run

test:
	@tests/deps.sh build test
	@$(MAKEJ) all unit-programs
	@$(MAKE) --no-print-directory unit e2e

# -- unit tests: every tests/unit/test_NAME.c is a cmocka program of its own

UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

$(B)/unit/%: tests/unit/%.c $(B)/lib/conf.a $(B)/lib/supervisor.a \
    $(B)/lib/logger.a $(B)/lib/router.a $(B)/lib/svc.a $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group \
	    $(filter %.a,$^) -Wl,--end-group -lcmocka -ljansson $(INIH_LIBS) \
	    $(LLHTTP_PC) -lnng $(MSGPACK_LIBS) -lxxhash $(PCRE2_LIBS) \
	    $(ZLIB_LIBS) $(NCURSES_LIBS) $(SANDBOX_LIBS)

.PHONY: unit unit-programs e2e e2e-workers
unit-programs: $(UNIT)
unit: $(UNIT)
	@for t in $(UNIT); do \
	    $$t >$$t.out 2>&1 || { cat $$t.out; exit 1; }; \
	    grep -h 'PASSED  \]' $$t.out | sed "s|^|$$(basename $$t): |"; done

# -- end-to-end tests against the programs of $(B)

e2e:
	MSVC_BUILD="$(B)" $(PYTEST)

# The same with three router workers.
e2e-workers:
	MSVC_BUILD="$(B)" MSVC_WORKERS=3 $(PYTEST)

# -- sanitizers: each in a build folder of its own

.PHONY: test-asan test-tsan
test-asan:
	@$(MAKEJ) SAN=asan all unit-programs
	@$(MAKE) --no-print-directory SAN=asan unit e2e
test-tsan:
	@$(MAKEJ) SAN=tsan all
	@$(MAKE) --no-print-directory SAN=tsan e2e-workers

# -- fuzzers and benchmarks

-include tests/fuzz/fuzz.mk
-include tests/bench/bench.mk

.PHONY: bench bench-entry
bench:
	@tests/deps.sh build bench
	@$(MAKEJ) all
	@$(MAKE) --no-print-directory bench-ipc bench-call bench-restart \
	    bench-recover bench-entry bench-supervisor
bench-entry: all $(B)/bench/floor
	@MSVC_BUILD="$(B)" tests/bench/entry.py $(BENCH_ARGS)

# -- chaos: everything breaks for CHAOS_TIME seconds, and nobody may notice; a
# CHAOS_SEED that was printed does the same again

CHAOS_TIME ?= 60
CHAOS_SEED ?=
.PHONY: chaos
chaos: all
	@MSVC_BUILD="$(B)" CHAOS_TIME="$(CHAOS_TIME)" CHAOS_SEED="$(CHAOS_SEED)" \
	    tests/chaos/chaos.py

# -- soak: everything happens for SOAK_TIME seconds, and nothing may pile up

SOAK_TIME ?= 600
SOAK_SEED ?=
.PHONY: soak
soak: all
	@MSVC_BUILD="$(B)" SOAK_TIME="$(SOAK_TIME)" SOAK_SEED="$(SOAK_SEED)" \
	    tests/soak/soak.py

# -- lint

OUR_C = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
TIDY_C = $(filter conf/% ipc/% supervisor/% router/% svc/%,$(filter %.c,$(OUR_C)))

# Versions of these three differ in what they want. Ours are Debian 12's; where
# they are missing the check is left to the machine that has them.
CLANG_FORMAT := $(shell command -v clang-format-14)
CLANG_TIDY   := $(shell command -v clang-tidy-14)
CPPCHECK     := $(findstring 2.10,$(shell cppcheck --version 2>/dev/null))

.PHONY: lint layers fmt fmt-check mandoc shellcheck tidy cppcheck
lint: fmt-check layers mandoc shellcheck cppcheck tidy
	@echo 'lint: clean'
layers:
	tests/layers.sh
ifneq ($(CLANG_FORMAT),)
fmt:
	@$(CLANG_FORMAT) -i $(OUR_C)
fmt-check:
	@echo '$(CLANG_FORMAT) --dry-run -Werror'
	@$(CLANG_FORMAT) --dry-run -Werror $(OUR_C)
else
fmt:
	@echo 'make fmt needs clang-format-14, as Debian 12 has it' >&2; exit 1
fmt-check:
	@echo 'fmt-check: SKIPPED, no clang-format-14 here'
endif
mandoc:
	mandoc -T lint -W warning man/*.[1-9]
	/usr/bin/python3 tests/man_keys.py
shellcheck:
	shellcheck tests/*.sh .ci/run
	shellcheck -s bash conf/msvc.bash
# It reads no system headers, so it is told what they would say. Of realloc()
# it believes that the old block had no other owner; ASan checks leaks.
ifneq ($(CPPCHECK),)
cppcheck:
	cppcheck --quiet -j $(shell nproc) --error-exitcode=1 --inline-suppr \
	    --std=c11 --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    --suppress=memleakOnRealloc \
	    --suppress=incorrectLogicOperator:ipc/value.c \
	    $(addprefix --include=,$(wildcard /usr/include/*/sys/queue.h)) \
	    -DLLHTTP_VERSION_MAJOR=9 -DLLHTTP_VERSION_MINOR=2 \
	    -D_GNU_SOURCE -I. conf ipc supervisor router svc
else
cppcheck:
	@echo 'cppcheck: SKIPPED, no cppcheck 2.10 here'
endif
# File by file: one run over several mixes up what it knows of them.
ifneq ($(CLANG_TIDY),)
tidy:
	@echo '$(CLANG_TIDY) --warnings-as-errors=*'
	@printf '%s\n' $(TIDY_C) | xargs -P $(shell nproc) -n 1 tests/tidy.sh \
	    $(CLANG_TIDY) $(TIDY_FLAGS)
else
tidy:
	@echo 'tidy: SKIPPED, no clang-tidy-14 here'
endif
TIDY_FLAGS = -std=c11 -D_GNU_SOURCE -DMSVC_VERSION='"$(VERSION)"' -I. \
    $(MSGPACK_CFLAGS) $(LLHTTP_CFLAGS)

.PHONY: help
help:
	@echo 'make demo        build, start the shop, walk through it, stop (PORT=8080)'
	@echo 'make run         the shop in the foreground, Ctrl-C stops it (PORT=8080)'
	@echo 'make test        unit and end-to-end tests'
	@echo 'make             build into build/bin, build/lib, build/samples'
	@echo 'make install     PREFIX=/usr/local DESTDIR=; make uninstall'
	@echo 'make clean       remove build/'
	@echo 'make bench       speed, against nginx, HAProxy, libnng, ZeroMQ, s6, runit ...'
	@echo 'make lint        format, layers, man pages, shell, cppcheck, clang-tidy'
	@echo 'make fmt         settle the format'
	@echo 'make test-asan   unit and end-to-end tests under ASan and UBSan'
	@echo 'make test-tsan   end-to-end tests with 3 workers under TSan'
	@echo 'make chaos       kill and stop things under load for CHAOS_TIME=60 seconds'
	@echo 'make soak        crash, reload and flood for SOAK_TIME=600 s, then count'
	@echo 'make test-fuzz   every fuzzer for 10 seconds'
