/*
 * crash_id: the names of crash bundles.
 *
 * SERVICE-INSTANCE-GENERATION-YYYYMMDDTHHMMSSZ is one death, in UTC, and with
 * ".json" behind it the file that tells of it. Supervisor, logger and the msvc
 * command agree on it here. Pure.
 */
#ifndef MSVC_IPC_CRASH_ID_H
#define MSVC_IPC_CRASH_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The longest name of a service is 32 bytes. */
	CRASH_ID_MAX = 96
};

/*
 * service   a good name of a service (msvc.ini(5)); a longer one is cut
 * time      Unix seconds
 */
void crash_id_make(char id_r[CRASH_ID_MAX], const char *service, unsigned index,
    uint64_t generation, int64_t time);

/* Is it one, and so safe as a file name? Any text is safe to pass. */
bool crash_id_is_good(const char *text);

/* Is that the name of a bundle's file? Sets id_r to it without ".json". */
bool crash_id_of_file(const char *name, char id_r[CRASH_ID_MAX]);

/* Like strcmp(), the earlier death first. Both must be good. */
int crash_id_compare(const char *a, const char *b);

#endif
