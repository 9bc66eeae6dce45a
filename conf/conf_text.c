/* conf_text: the bytes of the files that a config is made of. */
#include <stdlib.h>
#include <string.h>

#include "conf_load.h"
#include "conf_src.h"
#include "conf_value.h"

void
conf_text_fini(struct conf *conf)
{
	for (size_t i = 0; i < conf->text_count; i++) {
		free(conf->texts[i].path);
		free(conf->texts[i].bytes);
	}
	free(conf->texts);
	conf->texts = NULL;
	conf->text_count = 0;
}

static const struct conf_text *
text_find(const struct conf_text *texts, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i].path, path) == 0)
			return &texts[i];
	return NULL;
}

/* bytes is the conf's from success on. */
static int
text_keep(struct conf *conf, const char *path, char *bytes, size_t len)
{
	struct conf_text *texts =
	    reallocarray(conf->texts, conf->text_count + 1, sizeof(*texts));
	char *copy = strdup(path);

	if (texts != NULL)
		conf->texts = texts;
	if (texts == NULL || copy == NULL) {
		free(copy);
		return -1;
	}
	texts[conf->text_count++] =
	    (struct conf_text){ .path = copy, .bytes = bytes, .len = len };
	return 0;
}

static int
text_take(const struct conf_loader *loader, const char *path, char **bytes_r,
    size_t *len_r, struct conf_why *why)
{
	const struct conf_text *given;

	if (loader->given == NULL)
		return conf_src_read(path, bytes_r, len_r, why);
	given = text_find(loader->given, loader->given_count, path);
	if (given == NULL) {
		conf_why_set(why, "cannot be read: it was not kept");
		return -1;
	}
	conf_why_set(why, "does not fit into memory");
	*len_r = given->len;
	*bytes_r = malloc(given->len + 1);
	if (*bytes_r == NULL)
		return -1;
	if (given->len > 0)
		memcpy(*bytes_r, given->bytes, given->len);
	return 0;
}

int
conf_text_read(struct conf_loader *loader, const char *path,
    const char **bytes_r, size_t *len_r, struct conf_why *why)
{
	struct conf *conf = loader->conf;
	const struct conf_text *text =
	    text_find(conf->texts, conf->text_count, path);
	char *bytes = NULL;

	if (text != NULL) {
		*bytes_r = text->bytes;
		*len_r = text->len;
		return 0;
	}
	if (text_take(loader, path, &bytes, len_r, why) < 0)
		return -1;
	if (text_keep(conf, path, bytes, *len_r) < 0) {
		free(bytes);
		conf_why_set(why, "does not fit into memory");
		return -1;
	}
	*bytes_r = bytes;
	return 0;
}
