/*
 * A preloaded library for programs called "msvc". While the file in $POOR_FILE
 * is there, every so many-th allocation fails: $POOR_EVERY, or 5. With
 * $POOR_RESUMES, all do in a "reexec-resume" from the one on whose number is in
 * that file; which is then removed, so that the next resume has enough.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	POOR_EVERY = 5
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

static unsigned poor_count, poor_resumes;

/* The C library gives constructors the arguments too. */
__attribute__((constructor)) static void
poor_begin(int argc, char **argv)
{
	const char *file = getenv("POOR_RESUMES");
	FILE *in;

	if (file == NULL || argc < 2 || strcmp(argv[1], "reexec-resume") != 0)
		return;
	in = fopen(file, "re");
	if (in == NULL)
		return;
	if (fscanf(in, "%u", &poor_resumes) != 1)
		poor_resumes = 0;
	fclose(in);
	(void)unlink(file);
}

static bool
poor_is_now(void)
{
	const char *file = getenv("POOR_FILE"), *every = getenv("POOR_EVERY");
	unsigned count = every != NULL ? (unsigned)atoi(every) : POOR_EVERY;
	int saved = errno;
	bool is_now;

	if (poor_resumes > 0) {
		if (++poor_count < poor_resumes)
			return false;
		errno = ENOMEM;
		return true;
	}
	if (file == NULL || program_invocation_short_name == NULL ||
	    strcmp(program_invocation_short_name, "msvc") != 0)
		return false;
	is_now = access(file, F_OK) == 0 && ++poor_count % count == 0;
	errno = is_now ? ENOMEM : saved;
	return is_now;
}

void *
malloc(size_t size)
{
	return poor_is_now() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return poor_is_now() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *at, size_t size)
{
	return poor_is_now() ? NULL : __libc_realloc(at, size);
}
