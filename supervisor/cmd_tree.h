/*
 * cmd_tree: the services as they depend on each other, for `msvc status
 * --tree`.
 *
 * At the left stand the services that no other one comes after; below each,
 * those that it requires, wants or comes after, in that order. What is below
 * one that has been shown already is not shown again: "^" says so. Pure but
 * for the FILE.
 */
#ifndef MSVC_SUPERVISOR_CMD_TREE_H
#define MSVC_SUPERVISOR_CMD_TREE_H

#include <stdbool.h>
#include <stdio.h>

#include "cmd_status.h"

struct buf;
struct cmd_model;
struct mp_reader;

/*
 * Print the tree, or that below view->service. is_utf8: branches are drawn
 * with box characters. Returns 0, or -1 when there is no such service.
 */
int cmd_tree_print(const struct cmd_model *model,
    const struct cmd_status_view *view, bool is_utf8, FILE *out);

/* "group data: one_for_all: db, cache" for each; status is the whole object. */
void cmd_tree_print_groups(struct mp_reader status,
    const struct cmd_status_view *view, FILE *out);

/*
 * Both, of the last message of a status request, on standard output. Returns
 * an exit code; a failure has been explained.
 */
int cmd_tree(const struct buf *answer, const struct cmd_status_view *view);

#endif
