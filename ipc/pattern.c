#include "pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An entry that could not be added shows by its empty hh.tbl. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "err.h"
#include "pattern_text.h"

/*
 * A set is a tree with one level a segment. Names of parameters belong to the
 * leaves, so that /users/{id} and /users/{name}/orders share their way.
 */

struct pattern_name {
	const char *text; /* borrowed from the leaf's text */
	size_t len;
};

/* One pattern that ends at a node. */
struct pattern_leaf {
	struct pattern_leaf *next; /* other methods */
	char *text;                /* owned: the pattern as given */
	size_t method_len;         /* text starts with it; 0 = any method */
	void *data;                /* the caller's */
	size_t name_count;
	struct pattern_name names[];
};

struct pattern_node {
	UT_hash_handle hh;             /* in its parent's literals */
	struct pattern_node *literals; /* hash by key */
	struct pattern_node *param;    /* the {name} child */
	struct pattern_leaf *leaves;   /* patterns that end here */
	struct pattern_leaf *rests;    /* patterns with a * behind this */
	size_t key_len;
	char key[]; /* normalised literal, not NUL-terminated */
};

struct pattern_set {
	struct pattern_node *root;
};

/*
 * Building.
 */

static struct pattern_node *
pattern_node_new(const char *key, size_t key_len)
{
	struct pattern_node *node = calloc(1, sizeof(*node) + key_len);

	if (node == NULL)
		return NULL;
	if (key_len > 0)
		memcpy(node->key, key, key_len);
	node->key_len = key_len;
	return node;
}

static void
pattern_leaf_free(struct pattern_leaf *leaf)
{
	if (leaf == NULL)
		return;
	free(leaf->text);
	free(leaf);
}

static void
pattern_leaves_free(struct pattern_leaf *leaf)
{
	while (leaf != NULL) {
		struct pattern_leaf *next = leaf->next;

		pattern_leaf_free(leaf);
		leaf = next;
	}
}

/* As deep as the longest pattern, PATTERN_SEGMENT_MAX at most. */
static void
pattern_node_free(struct pattern_node *node)
{
	struct pattern_node *child, *next;

	if (node == NULL)
		return;
	HASH_ITER(hh, node->literals, child, next)
	{
		HASH_DEL(node->literals, child);
		pattern_node_free(child);
	}
	pattern_node_free(node->param);
	pattern_leaves_free(node->leaves);
	pattern_leaves_free(node->rests);
	free(node);
}

static struct pattern_node *
pattern_find_literal(const struct pattern_node *node, const char *key,
    size_t len)
{
	struct pattern_node *child;

	HASH_FIND(hh, node->literals, key, len, child);
	return child;
}

/* The child for that segment, made when there is none; NULL without memory. */
static struct pattern_node *
pattern_need_child(struct pattern_node *node,
    const struct pattern_segment *segment)
{
	char key[PATTERN_LITERAL_MAX];
	struct pattern_node *child;
	size_t len;

	if (segment->kind == PATTERN_PARAM) {
		if (node->param == NULL)
			node->param = pattern_node_new(NULL, 0);
		return node->param;
	}
	len = (size_t)pattern_text_normalise(segment->text, segment->len, key);
	child = pattern_find_literal(node, key, len);
	if (child != NULL)
		return child;
	child = pattern_node_new(key, len);
	if (child == NULL)
		return NULL;
	HASH_ADD(hh, node->literals, key, child->key_len, child);
	if (child->hh.tbl == NULL) {
		free(child);
		return NULL;
	}
	return child;
}

/* The list that a pattern belongs to; NULL without memory. */
static struct pattern_leaf **
pattern_need_leaves(struct pattern_set *set, const struct pattern_text *parsed)
{
	struct pattern_node *node = set->root;

	for (size_t i = 0; i < parsed->segment_count; i++) {
		if (parsed->segments[i].kind == PATTERN_REST)
			return &node->rests;
		node = pattern_need_child(node, &parsed->segments[i]);
		if (node == NULL)
			return NULL;
	}
	return &node->leaves;
}

static bool
pattern_has_method(const struct pattern_leaf *leaf, const char *method,
    size_t len)
{
	return leaf->method_len == len && memcmp(leaf->text, method, len) == 0;
}

static struct pattern_leaf *
pattern_leaf_new(const char *text, const struct pattern_text *parsed)
{
	size_t names_max = parsed->segment_count * sizeof(struct pattern_name);
	struct pattern_leaf *leaf = calloc(1, sizeof(*leaf) + names_max);

	if (leaf == NULL || (leaf->text = strdup(text)) == NULL) {
		free(leaf);
		return NULL;
	}
	leaf->method_len = parsed->method_len;
	for (size_t i = 0; i < parsed->segment_count; i++) {
		const struct pattern_segment *segment = &parsed->segments[i];

		if (segment->kind == PATTERN_LITERAL)
			continue;
		leaf->names[leaf->name_count++] =
		    (struct pattern_name){ leaf->text + (segment->text - text),
			    segment->len };
	}
	return leaf;
}

int
pattern_set_add(struct pattern_set *set, const char *text, void *data,
    struct err *err_r)
{
	struct pattern_text parsed;
	struct pattern_leaf **leaves, *leaf;

	if (pattern_text_parse(text, &parsed, err_r) < 0)
		return -1;
	leaves = pattern_need_leaves(set, &parsed);
	if (leaves == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	for (leaf = *leaves; leaf != NULL; leaf = leaf->next) {
		if (pattern_has_method(leaf, parsed.method,
			parsed.method_len)) {
			err_set(err_r, "pattern \"%s\" is the same as \"%s\"",
			    text, leaf->text);
			return -1;
		}
	}
	leaf = pattern_leaf_new(text, &parsed);
	if (leaf == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	leaf->data = data;
	leaf->next = *leaves;
	*leaves = leaf;
	return 0;
}

struct pattern_set *
pattern_set_new(void)
{
	struct pattern_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->root = pattern_node_new(NULL, 0);
	if (set->root == NULL)
		pattern_set_free(&set);
	return set;
}

void
pattern_set_free(struct pattern_set **setp)
{
	struct pattern_set *set = *setp;

	if (set == NULL)
		return;
	*setp = NULL;
	pattern_node_free(set->root);
	free(set);
}

/*
 * Matching.
 */

struct pattern_search {
	const char *method;
	size_t method_len;
	const char *end; /* of the path */
	struct pattern_match *match;
};

static bool
pattern_allow_has(const char *allow, const char *method, size_t len)
{
	while (*allow != '\0') {
		size_t item = strcspn(allow, ",");

		if (item == len && memcmp(allow, method, len) == 0)
			return true;
		allow += item;
		allow += strspn(allow, ", ");
	}
	return false;
}

/* What does not fit is left out: an Allow line may be incomplete. */
static void
pattern_allow_add(struct pattern_match *match, const char *method, size_t len)
{
	size_t at = strlen(match->allow);
	size_t comma = at > 0 ? 2 : 0;

	if (at + comma + len >= sizeof(match->allow) ||
	    pattern_allow_has(match->allow, method, len))
		return;
	memcpy(match->allow + at, ", ", comma);
	memcpy(match->allow + at + comma, method, len);
	match->allow[at + comma + len] = '\0';
}

static const struct pattern_leaf *
pattern_pick_method(const struct pattern_leaf *leaves, const char *method,
    size_t len)
{
	const struct pattern_leaf *get = NULL, *any = NULL;
	bool is_head = len == 4 && memcmp(method, "HEAD", 4) == 0;

	for (; leaves != NULL; leaves = leaves->next) {
		if (leaves->method_len == 0)
			any = leaves;
		else if (pattern_has_method(leaves, method, len))
			return leaves;
		else if (is_head && pattern_has_method(leaves, "GET", 3))
			get = leaves;
	}
	return get != NULL ? get : any;
}

/* The path fits these patterns; does one of them take the method? */
static bool
pattern_end(struct pattern_search *search, const struct pattern_leaf *leaves)
{
	struct pattern_match *match = search->match;
	const struct pattern_leaf *leaf =
	    pattern_pick_method(leaves, search->method, search->method_len);

	if (leaf != NULL) {
		match->data = leaf->data;
		match->param_count = leaf->name_count;
		for (size_t i = 0; i < leaf->name_count; i++) {
			match->params[i].name = leaf->names[i].text;
			match->params[i].name_len = leaf->names[i].len;
		}
		return true;
	}
	for (; leaves != NULL; leaves = leaves->next) {
		match->is_path_known = true;
		pattern_allow_add(match, leaves->text, leaves->method_len);
		if (pattern_has_method(leaves, "GET", 3))
			pattern_allow_add(match, "HEAD", 4);
	}
	return false;
}

static struct pattern_node *
pattern_step(const struct pattern_node *node, const char *text, size_t len)
{
	char key[PATTERN_LITERAL_MAX];
	int key_len;

	if (node->literals == NULL)
		return NULL;
	if (pattern_text_is_normal(text, len))
		return pattern_find_literal(node, text, len);
	key_len = pattern_text_normalise(text, len, key);
	return key_len < 0 ? NULL
			   : pattern_find_literal(node, key, (size_t)key_len);
}

static void
pattern_bind(struct pattern_search *search, size_t at, const char *value,
    size_t len)
{
	search->match->params[at].value = value;
	search->match->params[at].value_len = len;
}

/*
 * Depth first, the most specific way first; a way that ends without a method
 * that fits is left again. The depth is that of the tree, however long the
 * path, and each node is entered once at most.
 *
 * path is at the slash of the next segment, or at the end.
 */
static bool
pattern_walk(struct pattern_search *search, const struct pattern_node *node,
    const char *path, size_t param_count)
{
	const char *text = path, *stop = path;

	if (path < search->end) {
		const struct pattern_node *child;
		size_t len;

		text = path + 1;
		stop = memchr(text, '/', (size_t)(search->end - text));
		if (stop == NULL)
			stop = search->end;
		len = (size_t)(stop - text);
		child = pattern_step(node, text, len);
		if (child != NULL &&
		    pattern_walk(search, child, stop, param_count))
			return true;
		if (node->param != NULL && len > 0) {
			pattern_bind(search, param_count, text, len);
			if (pattern_walk(search, node->param, stop,
				param_count + 1))
				return true;
		}
	} else if (pattern_end(search, node->leaves)) {
		return true;
	}
	if (node->rests == NULL)
		return false;
	pattern_bind(search, param_count, text, (size_t)(search->end - text));
	return pattern_end(search, node->rests);
}

bool
pattern_set_match(const struct pattern_set *set, const char *method,
    size_t method_len, const char *path, size_t path_len,
    struct pattern_match *match_r)
{
	struct pattern_search search = {
		.method = method,
		.method_len = method_len,
		.end = path + path_len,
		.match = match_r,
	};

	match_r->data = NULL;
	match_r->param_count = 0;
	match_r->is_path_known = false;
	match_r->allow[0] = '\0';
	if (path_len == 0 || path[0] != '/')
		return false;
	if (!pattern_walk(&search, set->root, path, 0))
		return false;
	match_r->is_path_known = false;
	match_r->allow[0] = '\0';
	return true;
}
