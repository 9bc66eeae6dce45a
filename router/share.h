/*
 * share: which of two generations gets a request during a rolling restart.
 *
 * The share of the new one grows linearly from nothing, when it became ready,
 * to everything, ramp_us later. Pure.
 */
#ifndef MSVC_ROUTER_SHARE_H
#define MSVC_ROUTER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * ramp_us   how long the move takes; 0 or less: no time at all
 * since_us  when the new generation became ready
 * random    any number, evenly distributed over all of its 32 bits
 */
bool share_is_new(int64_t ramp_us, int64_t since_us, int64_t now_us,
    uint32_t random);

#endif
