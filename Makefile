# msvc: everything a developer or packager calls. `make help` lists it.
#
# Variables: PREFIX, DESTDIR for install; B the build folder; SAN=asan or tsan
# for a sanitizer build in build/asan or build/tsan; WERROR=1 as CI does.

PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
B       ?= build$(if $(SAN),/$(SAN))
VERSION := 0.1.0

# One short line a step; V=1 shows the commands.
Q := $(if $(V),,@)
step = $(if $(V),@:,@echo '  $(1)')

# Debian's compiler names; a CC from the environment or command line wins.
CC ?= cc
PKG_CONFIG ?= pkg-config

# msgpack-c is "msgpack" on Debian 12 and "msgpack-c" on 13.
pkg = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)
MSGPACK_PC := $(shell $(PKG_CONFIG) --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
MSGPACK_CFLAGS := $(call pkg,--cflags $(MSGPACK_PC))
MSGPACK_LIBS := $(or $(call pkg,--libs $(MSGPACK_PC)),-lmsgpackc)
PCRE2_LIBS := $(or $(call pkg,--libs libpcre2-8),-lpcre2-8)
ZLIB_LIBS := $(or $(call pkg,--libs zlib),-lz)
NCURSES_LIBS := $(or $(call pkg,--libs ncursesw),-lncursesw -ltinfo)
SANDBOX_LIBS := $(or $(call pkg,--libs libseccomp libcap),-lseccomp -lcap)
INIH_LIBS := $(or $(call pkg,--libs inih),-linih)

# llhttp is a library on Debian 13 and generated C in node-llhttp on 12.
LLHTTP_SRC := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_PC  := $(call pkg,--libs libllhttp)
LLHTTP_CFLAGS := $(if $(LLHTTP_PC),,-I/usr/share/include/llhttp)

OPT ?= -O2 -g
comma := ,
SAN_FLAGS := $(if $(filter asan,$(SAN)),-fsanitize=address$(comma)undefined \
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer,$(if \
    $(filter tsan,$(SAN)),-fsanitize=thread -fno-omit-frame-pointer))
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Wconversion \
    -Wstrict-prototypes -Wvla $(if $(WERROR),-Werror)
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DMSVC_VERSION='"$(VERSION)"' -I. \
    $(WARN) $(OPT) $(HARDEN) $(SAN_FLAGS) $(MSGPACK_CFLAGS) $(LLHTTP_CFLAGS) \
    -fPIC -fvisibility=hidden -MMD -MP $(CFLAGS)
ALL_LDFLAGS = $(SAN_FLAGS) -Wl,--as-needed $(if $(SAN),,-Wl,-z,relro,-z,now) \
    -pthread $(LDFLAGS)

# Folder = process or library; a new .c file is found by itself.
src = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))
IPC_OBJ    := $(call src,ipc/*.c)
CONF_OBJ   := $(call src,conf/*.c)
SUP_OBJ    := $(filter-out %/main.o,$(call src,supervisor/*.c))
LOGGER_OBJ := $(filter-out %/main.o,$(call src,supervisor/logger/*.c))
NNG_OBJ    := $(filter-out %/main.o,$(call src,supervisor/nng/*.c))
ROUTER_OBJ := $(filter-out %/main.o,$(call src,router/*.c))
SVC_OBJ    := $(call src,svc/*.c)
LLHTTP_OBJ := $(if $(LLHTTP_PC),,$(patsubst /usr/share/llhttp/%.c,$(B)/obj/llhttp/%.o,$(LLHTTP_SRC)))
# The SDK needs no nng: everything of ipc/ but the nng adapters.
IPC_CORE_OBJ := $(filter-out $(B)/obj/ipc/nng%.o,$(IPC_OBJ))

PROGRAMS := $(patsubst %,$(B)/bin/%,\
    $(if $(wildcard supervisor/main.c),msvc) \
    $(if $(wildcard supervisor/logger/main.c),msvc-logger) \
    $(if $(wildcard supervisor/nng/main.c),msvc-nng) \
    $(if $(wildcard router/main.c),msvc-router))
SAMPLES := $(patsubst svc/samples/%.c,$(B)/samples/%,$(wildcard svc/samples/*.c)) \
    $(patsubst svc/samples/shop/%.c,$(B)/samples/shop/%,$(wildcard svc/samples/shop/*.c))
LIBS := $(if $(SVC_OBJ),$(B)/lib/libmsvc.a $(B)/lib/libmsvc.so)

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS) $(LIBS) $(SAMPLES)

-include tests/tests.mk

# Once a build folder: are the compiler and the libraries there? Better one
# sentence now than a page of the compiler's.
HEADERS := nng/nng.h msgpack.h ini.h llhttp.h xxhash.h uthash.h sqlite3.h \
    lmdb.h pcre2.h zlib.h seccomp.h sys/capability.h curses.h
$(B)/obj/.checked:
	@mkdir -p $(@D)
	@for tool in $(firstword $(CC)) $(PKG_CONFIG) nm objcopy; do \
	    command -v $$tool >/dev/null || lost="$$lost $$tool"; done; \
	for header in $(if $(shell command -v $(firstword $(CC))),$(HEADERS)); do \
	    echo "#include <$$header>" | $(CC) -E -DPCRE2_CODE_UNIT_WIDTH=8 \
	        $(MSGPACK_CFLAGS) \
	        $(LLHTTP_CFLAGS) -x c - >/dev/null 2>&1 || \
	        lost="$$lost $$header"; done; \
	[ -z "$$lost" ] || { echo "missing:$$lost" >&2; \
	    echo "Install what the build needs: tests/deps.sh build" >&2; exit 1; }
	@touch $@

$(B)/obj/%.o: %.c | $(B)/obj/.checked
	@mkdir -p $(@D)
	$(call step,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Not ours: no warnings of ours either.
$(B)/obj/llhttp/%.o: /usr/share/llhttp/%.c | $(B)/obj/.checked
	@mkdir -p $(@D)
	$(call step,CC $<)
	$(Q)$(CC) -std=c11 -O2 -g -w -fPIC -fvisibility=hidden $(SAN_FLAGS) \
	    -DLLHTTP_STRICT_MODE=1 $(LLHTTP_CFLAGS) -c -o $@ $<

define archive
$(B)/lib/$(1).a: $(2)
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)$$(AR) rcs $$@ $$^
endef
$(eval $(call archive,ipc,$(IPC_OBJ)))
$(eval $(call archive,conf,$(CONF_OBJ)))
$(eval $(call archive,supervisor,$(SUP_OBJ)))
$(eval $(call archive,logger,$(LOGGER_OBJ)))
$(eval $(call archive,nngtool,$(NNG_OBJ)))
$(eval $(call archive,router,$(ROUTER_OBJ) $(LLHTTP_OBJ)))
$(eval $(call archive,svc,$(SVC_OBJ)))

# The supervisor must stay free of nng (it forks; nng starts threads).
$(B)/bin/msvc: $(B)/obj/supervisor/main.o $(B)/lib/supervisor.a $(B)/lib/logger.a \
    $(B)/lib/conf.a $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(INIH_LIBS) $(MSGPACK_LIBS) \
	    $(PCRE2_LIBS) $(ZLIB_LIBS) $(NCURSES_LIBS) $(SANDBOX_LIBS)
	@if nm $@ | grep -q ' [TtUW] nng_\| pthread_create'; then \
	    echo "$@: must not contain nng or threads" >&2; rm -f $@; exit 1; fi

$(B)/bin/msvc-logger: $(B)/obj/supervisor/logger/main.o $(B)/lib/logger.a \
    $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(MSGPACK_LIBS) $(PCRE2_LIBS) $(ZLIB_LIBS)

$(B)/bin/msvc-nng: $(B)/obj/supervisor/nng/main.o $(B)/lib/nngtool.a \
    $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lnng $(MSGPACK_LIBS)

$(B)/bin/msvc-router: $(B)/obj/router/main.o $(B)/lib/router.a $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LLHTTP_PC) -lnng $(MSGPACK_LIBS) -lxxhash

# One relocatable object whose internal names are local, so that a program
# that links libmsvc.a may have a log_info() of its own.
$(B)/lib/libmsvc.a: $(SVC_OBJ) $(IPC_CORE_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call step,AR $@)
	$(Q)$(LD) -r -o $(B)/lib/msvc.o $^
	$(Q)objcopy --localize-hidden $(B)/lib/msvc.o
	$(Q)$(AR) rcs $@ $(B)/lib/msvc.o

$(B)/lib/libmsvc.so: $(SVC_OBJ) $(IPC_CORE_OBJ)
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libmsvc.so.0 -o $@.0 $^ \
	    $(MSGPACK_LIBS)
	$(Q)ln -sf libmsvc.so.0 $@

$(B)/samples/plain_nng: svc/samples/plain_nng.c | $(B)/obj/.checked
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lnng $(MSGPACK_LIBS)

$(B)/samples/%: svc/samples/%.c $(B)/lib/libmsvc.a
	@mkdir -p $(@D)
	$(call step,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/lib/libmsvc.a \
	    $(MSGPACK_LIBS) -lsqlite3 -llmdb

-include conf/install.mk

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B)/obj $(B)/samples $(B)/unit -name '*.d' 2>/dev/null | sed 's/ /\\ /g')
