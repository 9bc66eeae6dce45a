/*
 * control: the router's main thread: lifeline, admin listener, bus, workers.
 *
 * What the supervisor says becomes pictures (picture.c) and notes (roster.c)
 * for the workers; what the workers find out goes back to it. It ends with
 * STOP or with the end of the lifeline: accepting stops, what is in flight is
 * answered, and after drain_timeout the rest is cut off.
 */
#ifndef MSVC_ROUTER_CONTROL_H
#define MSVC_ROUTER_CONTROL_H

struct err;

/*
 * Serve until told to stop. lifeline is a connected SEQPACKET socket, made
 * non-blocking here. Returns 0 after a stop, -1 with err set when the router
 * could not be set up.
 */
int control_run(int lifeline, struct err *err_r);

#endif
