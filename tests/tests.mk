# Everything that checks or shows: demo, run, test, lint, bench.

PYTEST = /usr/bin/python3 -m pytest -q -n $(JOBS) --dist loadgroup \
    -p no:cacheprovider tests/e2e
JOBS ?= 4
MAKEJ = $(MAKE) --no-print-directory -j$(shell nproc)

# -- for a newcomer: these install what is missing

.PHONY: demo run test
demo:
	@tests/deps.sh build
	@$(MAKEJ) all
	@tests/demo.sh "$(B)"

run:
	@tests/deps.sh build
	@$(MAKEJ) all
	@mkdir -p build/shop/data
	@"$(B)/bin/msvc" -c svc/samples/shop/shop.ini run

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
	    $(LLHTTP_PC) -lnng $(MSGPACK_LIBS) -lxxhash

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

.PHONY: bench bench-http
bench:
	@tests/deps.sh build bench
	@$(MAKEJ) all
	@$(MAKE) --no-print-directory bench-ipc bench-http
bench-http: all
	@MSVC_BUILD="$(B)" tests/bench/http.py $(BENCH_ARGS)

# -- lint

OUR_C = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: lint layers fmt fmt-check mandoc shellcheck tidy cppcheck
lint: fmt-check layers mandoc shellcheck cppcheck tidy
layers:
	tests/layers.sh
fmt:
	clang-format-14 -i $(OUR_C)
fmt-check:
	clang-format-14 --dry-run -Werror $(OUR_C)
mandoc:
	mandoc -T lint -W warning man/*.[1-9]
	/usr/bin/python3 tests/man_keys.py
shellcheck:
	shellcheck tests/*.sh .ci/run
	shellcheck -s bash conf/msvc.bash
cppcheck:
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
	    --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    -D_GNU_SOURCE -I. conf ipc supervisor router svc
tidy:
	clang-tidy --quiet --warnings-as-errors='*' \
	    $$(git ls-files -co --exclude-standard 'conf/*.c' 'ipc/*.c' \
	    'supervisor/*.c' 'router/*.c' 'svc/*.c') -- \
	    $(filter-out -MMD -MP,$(ALL_CFLAGS))

.PHONY: help
help:
	@echo 'make demo        build, start the shop, walk through it, stop'
	@echo 'make run         the shop in the foreground, Ctrl-C stops it'
	@echo 'make test        unit and end-to-end tests'
	@echo 'make             build into build/bin, build/lib, build/samples'
	@echo 'make install     PREFIX=/usr/local DESTDIR='
	@echo 'make bench       speed, against nginx, HAProxy, libnng and ZeroMQ'
	@echo 'make lint        format, layers, man pages, shell, cppcheck, clang-tidy'
	@echo 'make fmt         settle the format'
	@echo 'make test-asan   unit and end-to-end tests under ASan and UBSan'
	@echo 'make test-tsan   end-to-end tests with 3 workers under TSan'
	@echo 'make test-fuzz   every fuzzer for 10 seconds'
