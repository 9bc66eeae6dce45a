/*
 * control_scale: the numbers of instances that a client has asked for.
 */
#ifndef MSVC_SUPERVISOR_CONTROL_SCALE_H
#define MSVC_SUPERVISOR_CONTROL_SCALE_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct control_client;
struct control_scale;

void control_scale_free(struct control_scale **scalep);

/* bytes is the whole request, any bytes that are a map. All of it or none. */
void control_do_scale(struct control_client *client, const uint8_t *bytes,
    size_t len);

/* As control_client_step() asks: 1 reached, 0 to come, -1 lost, with text. */
int control_check_scale(const struct control_client *client, struct buf *text);

#endif
