# Benchmarks in C; $(B)/bench/ipc measures the IPC alone.
BENCH_IPC := $(wildcard tests/bench/ipc*.c)

$(B)/bench/ipc: $(BENCH_IPC) tests/bench/ipc.h $(B)/lib/ipc.a
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ \
	    $(BENCH_IPC) $(B)/lib/ipc.a -lnng -lzmq $(MSGPACK_LIBS)

.PHONY: bench-ipc
bench-ipc: $(B)/bench/ipc
	$(B)/bench/ipc -o $(B)/bench/ipc.json
