/*
 * cmd_model: the supervisor's status (control.h) as rows in memory, for those
 * who go through it more than once: the tree and top.
 *
 * All texts are borrowed from the answer, which must outlive the model. The
 * bytes come from another process: what is missing reads as nothing.
 */
#ifndef MSVC_SUPERVISOR_CMD_MODEL_H
#define MSVC_SUPERVISOR_CMD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd_map.h"
#include "cmd_usage.h"

struct buf;

struct cmd_model_instance {
	unsigned service; /* index of its service */
	unsigned index;   /* from 1; 0: stands for a service without any */
	bool is_beside;
	struct cmd_text state, reason, last_exit;
	pid_t pid;
	int64_t generation, restarts;
	int64_t since; /* Unix seconds, of this state */
	struct cmd_usage usage;
	int cpu; /* percent of one CPU; -1: not known */
};

struct cmd_model_need {
	struct cmd_text name;
	const char *kind; /* "requires", "wants" or "after" */
};

struct cmd_model_service {
	struct cmd_text name, state;
	struct cmd_text type, group, waits_for; /* "-": none */
	struct cmd_model_instance *instances;   /* at least one */
	size_t instance_count;
	struct cmd_model_need *needs;
	size_t need_count;
};

/* All zero is a model without services. */
struct cmd_model {
	struct cmd_model_service *services; /* owned, in the file's order */
	size_t service_count;
	struct cmd_model_instance *instances; /* owned, of all services */
	size_t instance_count;
	struct cmd_model_need *needs; /* owned, of all services */
	size_t need_count;
	unsigned *by_name; /* owned: indexes of services, sorted */
};

/*
 * Read the last message of a status request. Returns 0 with a model for
 * cmd_model_fini(); or -1 when there is no status in it or no memory.
 */
int cmd_model_init(struct cmd_model *model_r, const struct buf *answer);
void cmd_model_fini(struct cmd_model *model);

/* Look into /proc for each process, and work out cpu over all their lives. */
void cmd_model_measure(struct cmd_model *model);

/* Borrowed, or NULL. */
const struct cmd_model_service *cmd_model_find(const struct cmd_model *model,
    struct cmd_text name);

/* Are these the same bytes? */
bool cmd_text_is(struct cmd_text text, const char *other);

#endif
