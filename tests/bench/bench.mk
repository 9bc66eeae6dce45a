# Benchmarks in C; $(B)/bench/ipc measures the IPC alone.
BENCH_IPC := $(wildcard tests/bench/ipc*.c)

$(B)/bench/ipc: $(BENCH_IPC) tests/bench/ipc.h $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ \
	    $(BENCH_IPC) $(B)/lib/ipc.a -lnng -lzmq $(MSGPACK_LIBS)

.PHONY: bench-ipc
bench-ipc: $(B)/bench/ipc
	$(B)/bench/ipc -o $(B)/bench/ipc.json

# What HTTP over TCP costs on this machine with nothing behind it.
$(B)/bench/floor: tests/bench/floor.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ $<

$(B)/bench/call: tests/bench/call.c tests/bench/ipc_raw.c \
    tests/bench/ipc_run.c tests/bench/ipc.h $(B)/lib/libmsvc.a
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ \
	    $(filter %.c %.a,$^) $(MSGPACK_LIBS)

.PHONY: bench-call
bench-call: all $(B)/bench/call
	@MSVC_BUILD="$(B)" tests/bench/call.py

# From SIGKILL to the next process; a thousand services up and down.
$(B)/bench/restart: tests/bench/restart.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ $<

.PHONY: bench-restart
bench-restart: all $(B)/bench/restart
	@MSVC_BUILD="$(B)" tests/bench/restart.py $(BENCH_ARGS)

# What clients notice of kills and rolling restarts.
.PHONY: bench-recover
bench-recover: all
	@MSVC_BUILD="$(B)" tests/bench/recover.py $(BENCH_ARGS)

# As a supervisor, against s6, runit, supervisord and a bare loop.
$(B)/bench/spawn: tests/bench/spawn.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ $<

.PHONY: bench-supervisor
bench-supervisor: all $(B)/bench/spawn
	@MSVC_BUILD="$(B)" tests/bench/supervisor.py $(BENCH_ARGS)
