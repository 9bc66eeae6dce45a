/*
 * top_model: which rows `msvc top` shows, in what order, and as what text.
 * Pure: no terminal, no clock.
 */
#ifndef MSVC_SUPERVISOR_TOP_MODEL_H
#define MSVC_SUPERVISOR_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cmd_model;
struct cmd_model_instance;

/* The columns, from left to right; each can be sorted by. */
enum top_column {
	TOP_NAME,
	TOP_STATE,
	TOP_PID,
	TOP_CPU,
	TOP_MEMORY,
	TOP_FDS,
	TOP_RESTARTS,
	TOP_UPTIME,
	TOP_REASON,
	TOP_COLUMNS
};

enum {
	TOP_NAME_MIN = 16,
	TOP_NAME_MAX = 36,
	TOP_FILTER_MAX = 64,
	TOP_LINE_MAX = 1024
};

struct top_order {
	enum top_column column;
	bool is_reversed;            /* of what is usual for the column */
	char filter[TOP_FILTER_MAX]; /* part of a name or state; "": all */
};

/*
 * Take a key that is about the order: < and > go to the next column, P, M, F,
 * R, T and N to cpu, memory, fds, restarts, uptime and name, I turns it round.
 * Returns false when it is another.
 */
bool top_order_key(struct top_order *order, int key);

/*
 * Set cpu of each instance to what it used since before, elapsed_ms ago; of a
 * process that before has not, it stays as it is.
 */
void top_rates(struct cmd_model *now, const struct cmd_model *before,
    int64_t elapsed_ms);

/*
 * Fill rows (room for all instances of the model) with the indexes of those
 * to show, sorted. Returns how many.
 */
size_t top_select(const struct cmd_model *model, const struct top_order *order,
    unsigned *rows);

/* Columns for the name, so that most fit. */
unsigned top_name_width(const struct cmd_model *model);

/* Where a column begins and how wide it is (the last: to the end). */
unsigned top_column_at(enum top_column column, unsigned name_width,
    unsigned *width_r);

/* The heading; the column that is sorted by is the caller's to mark. */
void top_format_head(unsigned name_width, char text_r[TOP_LINE_MAX]);

/* "users/1          ready        100   3%  12m  14   0   3m12s why". */
void top_format_row(const struct cmd_model *model,
    const struct cmd_model_instance *inst, unsigned name_width,
    char text_r[TOP_LINE_MAX]);

/* "users/1", as requests to the supervisor and people name it. */
void top_label(const struct cmd_model *model,
    const struct cmd_model_instance *inst, char *text_r, size_t size);

#endif
