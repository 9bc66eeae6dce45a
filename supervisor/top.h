/*
 * top: what `msvc top` holds; cmd_top.c moves it, top_screen.c draws it.
 */
#ifndef MSVC_SUPERVISOR_TOP_H
#define MSVC_SUPERVISOR_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd_model.h"
#include "ipc/buf.h"
#include "top_link.h"
#include "top_log.h"
#include "top_model.h"

/* What a key is for just now. */
enum top_mode {
	TOP_LIST,
	TOP_FILTER,  /* it is a letter of the filter */
	TOP_CONFIRM, /* y, or anything else for no */
	TOP_LOG
};

struct top {
	const char *run_dir; /* borrowed */
	int64_t delay_ms;
	struct top_link status, act;
	struct buf answer;      /* the last status: the model borrows from it */
	struct cmd_model model; /* all zero: none yet */
	int64_t asked_ms, told_ms; /* 0: never */
	unsigned *rows;            /* owned: indexes of instances, as shown */
	size_t row_count;
	size_t at, first; /* the row under the cursor; the topmost one */
	char label[80];   /* of the row at; it is followed when rows move */
	bool is_beside;   /* that row is the second one with its label */
	char stop[80];    /* the service that TOP_CONFIRM is about */
	struct top_order order;
	enum top_mode mode;
	char note[256];    /* what became of the last key */
	char trouble[256]; /* why there is no news; "": there is */
	struct top_log log;
	bool is_over;
};

/*
 * Sort and filter again; the cursor stays on its instance. Take a key.
 * top_keys.c
 */
void top_arrange(struct top *top);
void top_key(struct top *top, int key);

/* The instance under the cursor, or NULL. */
const struct cmd_model_instance *top_selected(const struct top *top);

/* A string or number of the supervisor in the last status. */
struct cmd_text top_about(const struct top *top, const char *key);
int64_t top_about_int(const struct top *top, const char *key);

/*
 * The terminal. top_screen_open() returns -1 when it is none that can show
 * this, after having said so; after _close() it is as it was before.
 */
int top_screen_open(void);
void top_screen_close(void);
void top_screen_draw(struct top *top);

/* The next key, or -1 when there is none; rows that fit, at least 1. */
int top_screen_key(void);
size_t top_screen_rows(void);

/* What top_screen_key() returns beside letters. */
enum top_key {
	TOP_KEY_UP = 0x1000,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_ERASE,
	TOP_KEY_RESIZE
};

#endif
