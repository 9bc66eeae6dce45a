#include "keep_conf.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "keep.h"
#include "supervisor.h"

static const struct conf *
keep_conf(const struct supervise *sup, int64_t number)
{
	if (number == 0)
		return sup->conf;
	if (number < 0 || number > (int64_t)sup->old_conf_count)
		return NULL;
	return sup->old_confs[number - 1];
}

int64_t
keep_conf_number(const struct supervise *sup, const struct conf_service *conf)
{
	const struct conf *in;

	if (conf == NULL)
		return -1;
	for (int64_t i = 0; (in = keep_conf(sup, i)) != NULL; i++) {
		if (conf_find_service(in, conf->name) == conf)
			return i;
	}
	return -1;
}

const struct conf_service *
keep_conf_service(const struct supervise *sup, int64_t number, const char *name)
{
	const struct conf *in = keep_conf(sup, number);

	return in != NULL ? conf_find_service(in, name) : NULL;
}

static void
conf_save(const struct conf *conf, struct keep_out *out)
{
	mp_put_array(&out->bytes, (uint32_t)(2 + 2 * conf->text_count));
	mp_put_cstr(&out->bytes, conf->path);
	mp_put_uint(&out->bytes, conf->files.count);
	for (size_t i = 0; i < conf->text_count; i++) {
		mp_put_cstr(&out->bytes, conf->texts[i].path);
		mp_put_bin(&out->bytes, conf->texts[i].bytes,
		    conf->texts[i].len);
	}
}

void
keep_save_confs(const struct supervise *sup, struct keep_out *out)
{
	mp_put_array(&out->bytes, (uint32_t)(1 + sup->old_conf_count));
	conf_save(sup->conf, out);
	for (size_t i = 0; i < sup->old_conf_count; i++)
		conf_save(sup->old_confs[i], out);
}

/* Bytes are borrowed from the reader, paths are to be freed. */
static int
conf_load_list(struct keep_in *in, struct mp_reader *reader,
    struct conf_text *texts, size_t count)
{
	const uint8_t *bytes;

	for (size_t i = 0; i < count; i++) {
		if (keep_get_text(in, reader, &texts[i].path) < 0 ||
		    keep_get_bytes(in, reader, &bytes, &texts[i].len) < 0)
			return -1;
		if (texts[i].path == NULL)
			return keep_bad(in, "configuration");
		texts[i].bytes = (char *)(uintptr_t)bytes;
	}
	return 0;
}

static int
conf_read(struct keep_in *in, struct mp_reader *reader, struct conf **conf_r)
{
	struct conf_report report = { 0 };
	struct conf_text *texts = NULL;
	char *path = NULL;
	uint64_t files;
	uint32_t count, left = 0;

	if (keep_get_array(in, reader, &count) < 0 || count < 4 ||
	    count % 2 != 0 || keep_get_text(in, reader, &path) < 0 ||
	    path == NULL || keep_get_uint(in, reader, &files) < 0)
		goto out;
	left = (count - 2) / 2;
	texts = calloc(left, sizeof(*texts));
	if (texts == NULL || files > left ||
	    conf_load_list(in, reader, texts, left) < 0)
		goto out;
	/* A program that reads it otherwise cannot take over. */
	if (conf_load_texts(path, texts, left, (size_t)files, conf_r, &report) <
		0 &&
	    report.count > 0)
		err_set(&in->err, "%s", report.lines[0]);
out:
	conf_report_fini(&report);
	for (size_t i = 0; texts != NULL && i < left; i++)
		free(texts[i].path);
	free(texts);
	free(path);
	return *conf_r == NULL ? keep_bad(in, "configuration") : 0;
}

int
keep_load_confs(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count == 0)
		return keep_bad(in, "configurations");
	if (conf_read(in, reader, &sup->conf) < 0)
		return -1;
	sup->old_confs = calloc(count, sizeof(struct conf *));
	if (sup->old_confs == NULL)
		return keep_bad(in, "configurations");
	for (; count > 1; count--) {
		if (conf_read(in, reader,
			&sup->old_confs[sup->old_conf_count]) < 0)
			return -1;
		sup->old_conf_count++;
	}
	return 0;
}
