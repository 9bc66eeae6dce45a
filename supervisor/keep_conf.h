/*
 * keep_conf: the configurations in use, as the text that they were read from,
 * so that they stay what they are whatever the files have become since.
 *
 * A struct conf_service is written as the number of the configuration that it
 * is a part of: 0 is the present one, the others are those before it on which
 * something still runs.
 */
#ifndef MSVC_SUPERVISOR_KEEP_CONF_H
#define MSVC_SUPERVISOR_KEEP_CONF_H

#include <stdint.h>

struct conf_service;
struct supervise;

/* -1 for NULL, and for one that is lost. */
int64_t keep_conf_number(const struct supervise *sup,
    const struct conf_service *conf);

/* Borrowed; NULL when there is none. */
const struct conf_service *keep_conf_service(const struct supervise *sup,
    int64_t number, const char *name);

#endif
