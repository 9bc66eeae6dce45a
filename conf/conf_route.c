#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_pattern.h"
#include "conf_value.h"

/*
 * All [route] patterns as a tree of segments. Two that can match one request
 * lie on paths which agree, at each step, in the segment or in one of them
 * being a {name}; so finding them needs no look at all pairs.
 */
struct node {
	size_t id;
	struct node *children; /* all literal ones, linked by sibling */
	struct node *sibling;
	struct node *param, *rest; /* the {name} and the * below, or NULL */
	struct leaf *leaves;       /* patterns that end here */
	struct node *next_made;    /* for freeing */
	UT_hash_handle hh;         /* literal ones, by key */
	char *key;                 /* owned; "PARENT/TEXT" */
	const char *text;          /* in key */
};

struct leaf {
	const struct conf_section *section;
	struct conf_pattern pattern;
	struct leaf *next;      /* at its node */
	struct leaf *next_made; /* for freeing */
};

struct prefix {
	const struct conf_section *section;
	const char *text; /* borrowed from the service */
	UT_hash_handle hh;
};

struct routes {
	struct conf_loader *loader;
	struct node *root;
	struct node *literals; /* hash by key */
	struct node *made;
	size_t made_count;
	struct leaf *leaves;
	struct prefix *prefixes; /* hash by text */
};

static struct node *
node_new(struct routes *routes)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node == NULL) {
		routes->loader->is_out_of_memory = true;
		return NULL;
	}
	node->id = routes->made_count++;
	node->next_made = routes->made;
	routes->made = node;
	return node;
}

/* The literal child; made when is_wanted. */
static struct node *
literal_child(struct routes *routes, struct node *parent, const char *text,
    bool is_wanted)
{
	struct node *child = NULL;
	char *key;

	if (asprintf(&key, "%zu/%s", parent->id, text) < 0) {
		routes->loader->is_out_of_memory = true;
		return NULL;
	}
	HASH_FIND_STR(routes->literals, key, child);
	if (child != NULL || !is_wanted || (child = node_new(routes)) == NULL) {
		free(key);
		return child;
	}
	child->key = key;
	child->text = strchr(key, '/') + 1;
	child->sibling = parent->children;
	parent->children = child;
	HASH_ADD_KEYPTR(hh, routes->literals, key, strlen(key), child);
	return child;
}

static struct node *
child_make(struct routes *routes, struct node *parent,
    const struct conf_segment *segment)
{
	struct node **place = segment->kind == CONF_SEGMENT_PARAM
				  ? &parent->param
				  : &parent->rest;

	if (segment->kind == CONF_SEGMENT_LITERAL)
		return literal_child(routes, parent, segment->text, true);
	if (*place == NULL)
		*place = node_new(routes);
	return *place;
}

/* A walk of one pattern through the tree of those before it. */
struct crossing {
	struct routes *routes;
	const struct leaf *leaf;
	const struct leaf *found; /* the first that crosses it */
	/* Number of a segment that is a literal in leaf and a {name} in found,
	 * and of one that is so the other way round; 0 is none. */
	size_t literal_here, literal_there;
};

/* At a node where either pattern ends or takes the rest. */
static void
walk_leaves(struct crossing *crossing, const struct node *node,
    size_t literal_here, size_t literal_there)
{
	const char *method = crossing->leaf->pattern.method;

	if (literal_here == 0 || literal_there == 0)
		return;
	for (const struct leaf *leaf = node->leaves;
	     leaf != NULL && crossing->found == NULL; leaf = leaf->next) {
		if (method[0] != '\0' && leaf->pattern.method[0] != '\0' &&
		    strcmp(method, leaf->pattern.method) != 0)
			continue;
		crossing->found = leaf;
		crossing->literal_here = literal_here;
		crossing->literal_there = literal_there;
	}
}

/* The pattern takes all that is below node. */
static void
walk_rest(struct crossing *crossing, const struct node *node, size_t here,
    size_t there)
{
	if (crossing->found != NULL || node == NULL)
		return;
	walk_leaves(crossing, node, here, there);
	walk_rest(crossing, node->param, here, there);
	walk_rest(crossing, node->rest, here, there);
	for (const struct node *child = node->children;
	     child != NULL && crossing->found == NULL; child = child->sibling)
		walk_rest(crossing, child, here, there);
}

static void
walk(struct crossing *crossing, struct node *node, size_t depth, size_t here,
    size_t there)
{
	const struct conf_pattern *pattern = &crossing->leaf->pattern;
	const struct conf_segment *segment = &pattern->segments[depth];

	if (node == NULL || crossing->found != NULL)
		return;
	if (node->rest != NULL)
		walk_leaves(crossing, node->rest, here, there);
	if (depth == pattern->count) {
		walk_leaves(crossing, node, here, there);
		return;
	}
	depth++;
	if (segment->kind == CONF_SEGMENT_REST) {
		walk_rest(crossing, node, here, there);
		return;
	}
	if (segment->kind == CONF_SEGMENT_LITERAL) {
		walk(crossing,
		    literal_child(crossing->routes, node, segment->text, false),
		    depth, here, there);
		walk(crossing, node->param, depth, here != 0 ? here : depth,
		    there);
		return;
	}
	walk(crossing, node->param, depth, here, there);
	for (struct node *child = node->children; child != NULL;
	     child = child->sibling)
		walk(crossing, child, depth, here, there != 0 ? there : depth);
}

static unsigned
match_line(const struct conf_section *section)
{
	return section->lines[CONF_KEY_ROUTE_match];
}

static const char *
match_text(const struct conf_section *section)
{
	return ((const struct conf_route *)section->object)->match;
}

static void
crossing_tell(const struct crossing *crossing)
{
	const struct conf_section *section = crossing->leaf->section;
	const struct conf_section *other = crossing->found->section;
	char where[CONF_WHERE_MAX], shown[CONF_SHOW_MAX],
	    shown_other[CONF_SHOW_MAX];

	conf_section_where(crossing->routes->loader, other, match_line(other),
	    section->file, where);
	conf_section_mistake(crossing->routes->loader, section,
	    match_line(section),
	    "match \"%s\" crosses \"%s\" of route \"%s\" (%s), each has a "
	    "literal where the other has a {name}; make segment %zu a {name} "
	    "here or a literal there",
	    conf_show(shown, match_text(section)),
	    conf_show(shown_other, match_text(other)), other->name, where,
	    crossing->literal_here);
}

/* Put a pattern at its node; another of the same shape there is told. */
static void
leaf_place(struct routes *routes, struct node *node, struct leaf *leaf)
{
	const struct conf_section *section = leaf->section;
	char where[CONF_WHERE_MAX], shown[CONF_SHOW_MAX],
	    shown_other[CONF_SHOW_MAX];

	for (struct leaf *other = node->leaves; other != NULL;
	     other = other->next) {
		if (strcmp(other->pattern.method, leaf->pattern.method) != 0)
			continue;
		conf_section_mistake(routes->loader, section,
		    match_line(section),
		    "match \"%s\" is the same as \"%s\" of route \"%s\" "
		    "(%s); drop one or give them different methods",
		    conf_show(shown, match_text(section)),
		    conf_show(shown_other, match_text(other->section)),
		    other->section->name,
		    conf_section_where(routes->loader, other->section,
			match_line(other->section), section->file, where));
		return;
	}
	leaf->next = node->leaves;
	node->leaves = leaf;
}

/* Is it PREFIX/STAR without a method, which is what a prefix stands for? */
static void
leaf_check_prefix(struct routes *routes, const struct leaf *leaf)
{
	const struct conf_section *section = leaf->section;
	char path[CONF_PATTERN_MAX + 1] = "", where[CONF_WHERE_MAX],
				     shown[CONF_SHOW_MAX];
	size_t len = 0, count = leaf->pattern.count;
	struct prefix *prefix;

	if (leaf->pattern.segments[count - 1].kind != CONF_SEGMENT_REST)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct conf_segment *segment = &leaf->pattern.segments[i];

		if (segment->kind == CONF_SEGMENT_PARAM ||
		    len + strlen(segment->text) + 2 > sizeof(path))
			return;
		if (segment->kind == CONF_SEGMENT_LITERAL)
			len += (size_t)snprintf(path + len, sizeof(path) - len,
			    "/%s", segment->text);
	}
	HASH_FIND_STR(routes->prefixes, len == 0 ? "/" : path, prefix);
	if (prefix == NULL || leaf->pattern.method[0] != '\0')
		return;
	conf_section_mistake(routes->loader, section, match_line(section),
	    "match \"%s\" is already taken by route \"%s\" of service \"%s\" "
	    "(%s); put a method in front of it or drop one",
	    conf_show(shown, match_text(section)), prefix->text,
	    prefix->section->name,
	    conf_section_where(routes->loader, prefix->section,
		prefix->section->lines[CONF_KEY_SERVICE_route], section->file,
		where));
}

static void
match_add(struct routes *routes, const struct conf_section *section)
{
	struct leaf *leaf = calloc(1, sizeof(*leaf));
	struct crossing crossing = { .routes = routes, .leaf = leaf };
	struct node *node = routes->root;
	struct conf_why why;

	if (leaf == NULL ||
	    conf_pattern_parse(match_text(section), &leaf->pattern, &why) < 0) {
		free(leaf);
		routes->loader->is_out_of_memory = true;
		return;
	}
	leaf->section = section;
	leaf->next_made = routes->leaves;
	routes->leaves = leaf;
	leaf_check_prefix(routes, leaf);
	walk(&crossing, node, 0, 0, 0);
	if (crossing.found != NULL)
		crossing_tell(&crossing);
	for (size_t i = 0; i < leaf->pattern.count && node != NULL; i++)
		node = child_make(routes, node, &leaf->pattern.segments[i]);
	if (node != NULL)
		leaf_place(routes, node, leaf);
}

static void
prefix_add(struct routes *routes, const struct conf_section *section,
    const char *text)
{
	unsigned line = section->lines[CONF_KEY_SERVICE_route];
	char where[CONF_WHERE_MAX], shown[CONF_SHOW_MAX];
	struct prefix *prefix;

	HASH_FIND_STR(routes->prefixes, text, prefix);
	if (prefix != NULL && prefix->section == section)
		conf_section_mistake(routes->loader, section, line,
		    "route \"%s\" is there twice; drop one",
		    conf_show(shown, text));
	else if (prefix != NULL)
		conf_section_mistake(routes->loader, section, line,
		    "route \"%s\" is already taken by \"%s\" (%s)",
		    conf_show(shown, text), prefix->section->name,
		    conf_section_where(routes->loader, prefix->section,
			prefix->section->lines[CONF_KEY_SERVICE_route],
			section->file, where));
	if (prefix != NULL)
		return;
	prefix = calloc(1, sizeof(*prefix));
	if (prefix == NULL) {
		routes->loader->is_out_of_memory = true;
		return;
	}
	prefix->section = section;
	prefix->text = text;
	HASH_ADD_KEYPTR(hh, routes->prefixes, text, strlen(text), prefix);
}

static void
routes_fini(struct routes *routes)
{
	struct prefix *prefix, *next;

	HASH_CLEAR(hh, routes->literals);
	while (routes->made != NULL) {
		struct node *node = routes->made;

		routes->made = node->next_made;
		free(node->key);
		free(node);
	}
	while (routes->leaves != NULL) {
		struct leaf *leaf = routes->leaves;

		routes->leaves = leaf->next_made;
		conf_pattern_fini(&leaf->pattern);
		free(leaf);
	}
	HASH_ITER(hh, routes->prefixes, prefix, next)
	{
		HASH_DEL(routes->prefixes, prefix);
		free(prefix);
	}
}

void
conf_route_check(struct conf_loader *loader)
{
	struct routes routes = { .loader = loader };

	routes.root = node_new(&routes);
	for (size_t i = 0; i < loader->section_count; i++) {
		const struct conf_section *section = loader->sections[i];
		const struct conf_service *service = section->object;

		if (section->kind != CONF_SECTION_SERVICE || !section->is_known)
			continue;
		for (size_t j = 0; j < service->prefixes.count; j++)
			prefix_add(&routes, section,
			    service->prefixes.items[j]);
	}
	for (size_t i = 0; routes.root != NULL && i < loader->section_count;
	     i++) {
		const struct conf_section *section = loader->sections[i];

		if (section->kind == CONF_SECTION_ROUTE && section->is_known &&
		    match_text(section) != NULL)
			match_add(&routes, section);
	}
	routes_fini(&routes);
}
