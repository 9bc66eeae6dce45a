/*
 * fingerprint: what makes two requests the same to a service that dies of one.
 *
 * Method, path, query and body, under a key that clients cannot know, so that
 * nobody can make a request that is taken for another's. Pure.
 */
#ifndef MSVC_ROUTER_FINGERPRINT_H
#define MSVC_ROUTER_FINGERPRINT_H

#include <stdint.h>

#include "ipc/lifeline.h"

struct exchange_request;
struct poison_print;

void fingerprint_make(const struct exchange_request *request, uint64_t key,
    struct poison_print *print_r);

/* LIFELINE_PRINT_LEN hex digits and a NUL. */
void fingerprint_show(const struct poison_print *print,
    char text_r[LIFELINE_PRINT_LEN + 1]);

/* Returns 0, or -1 when text is not LIFELINE_PRINT_LEN hex digits. */
int fingerprint_parse(const char *text, struct poison_print *print_r);

#endif
