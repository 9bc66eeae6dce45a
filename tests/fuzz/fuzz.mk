# Fuzzers: every tests/fuzz/fuzz_NAME.c is a libFuzzer program of its own, with
# seeds in tests/fuzz/corpus/NAME/. What it finds goes to the build folder:
# the corpus it grows to $(B)/fuzz/corpus/NAME, a crash to $(B)/fuzz/NAME-*.
FUZZ_CC      ?= $(or $(shell command -v clang),clang-14)
FUZZ_SECONDS ?= 10
FUZZ         := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# A tree of objects of its own: another compiler and other flags.
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -DMSVC_VERSION='"$(VERSION)"' -I. -O1 -g \
    -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
    $(MSGPACK_CFLAGS) $(LLHTTP_CFLAGS) -MMD -MP
FUZZ_SAN  := -fsanitize=address,undefined
# Parsers stand in ipc and conf, and in a few files elsewhere.
FUZZ_SRC  := $(wildcard ipc/*.c conf/*.c router/http*.c) \
    $(addprefix supervisor/,env_file.c logger/logrec.c notify.c probe_http.c \
    small_file.c)
FUZZ_OBJ  := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(FUZZ_SRC)) \
    $(patsubst $(B)/obj/%,$(B)/fuzz/obj/%,$(LLHTTP_OBJ))

$(B)/fuzz/obj/%.o: %.c
	@mkdir -p "$(@D)"
	$(call step,FUZZ-CC $<)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link \
	    -c -o $@ $<

$(B)/fuzz/obj/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p "$(@D)"
	$(call step,FUZZ-CC $<)
	$(Q)$(FUZZ_CC) -std=c11 -O1 -g -w $(FUZZ_SAN) -fsanitize=fuzzer-no-link \
	    -DLLHTTP_STRICT_MODE=1 $(LLHTTP_CFLAGS) -c -o $@ $<

# An archive, so that a fuzzer links only what it uses.
$(B)/fuzz/all.a: $(FUZZ_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/all.a
	$(call step,FUZZ-LD $@)
	$(Q)$(FUZZ_CC) $(FUZZ_SAN) -fsanitize=fuzzer -pthread -o $@ $^ -ljansson \
	    $(INIH_LIBS) $(LLHTTP_PC) -lnng $(MSGPACK_LIBS) $(PCRE2_LIBS) -lxxhash -lm

.PRECIOUS: $(B)/fuzz/obj/%.o

# Fails on a crash, a leak, or an input that takes longer than 5 seconds; what
# the fuzzer said is shown only then. One line tells how much was tried.
.PHONY: test-fuzz $(FUZZ:%=test-fuzz-%)
test-fuzz: $(FUZZ:%=test-fuzz-%)
$(FUZZ:%=test-fuzz-%): test-fuzz-%: $(B)/fuzz/fuzz_%
	@mkdir -p "$(B)/fuzz/corpus/$*"
	@"$(B)/fuzz/fuzz_$*" -max_total_time=$(FUZZ_SECONDS) -timeout=5 \
	    -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
	    -artifact_prefix="$(B)/fuzz/$*-" \
	    "$(B)/fuzz/corpus/$*" tests/fuzz/corpus/$* \
	    >"$(B)/fuzz/$*.out" 2>&1 || { cat "$(B)/fuzz/$*.out"; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */fuzz_$*: nothing found, inputs tried: /p' \
	    "$(B)/fuzz/$*.out"

-include $(FUZZ_OBJ:.o=.d) $(FUZZ:%=$(B)/fuzz/obj/tests/fuzz/fuzz_%.d)
