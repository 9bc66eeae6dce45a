/* check: the configuration, judged without touching anything that runs. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_mistake.h"

static unsigned
check_count_instances(const struct conf *conf)
{
	unsigned count = 0;

	for (size_t i = 0; i < conf->service_count; i++) {
		if (conf->services[i]->url == NULL &&
		    conf->services[i]->is_enabled)
			count += conf->services[i]->instances;
	}
	return count;
}

static size_t
check_count_routes(const struct conf *conf)
{
	size_t count = conf->route_count;

	for (size_t i = 0; i < conf->service_count; i++)
		count += conf->services[i]->prefixes.count;
	return count;
}

static void
check_format_listen(const struct conf_listen *listen, struct buf *out)
{
	bool is_ipv6 = strchr(listen->host, ':') != NULL;

	buf_printf(out, is_ipv6 ? "[%s]:%s" : "%s:%s",
	    listen->host[0] != '\0' ? listen->host : "*", listen->port);
}

static void
check_print_table(const struct conf *conf)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < conf->router.listen_count; i++) {
		if (i > 0)
			buf_append_str(&text, ", ");
		check_format_listen(&conf->router.listens[i], &text);
	}
	printf("%s: good: services %zu, instances %u, routes %zu, %s%.*s\n",
	    conf->path, conf->service_count, check_count_instances(conf),
	    check_count_routes(conf),
	    conf->router.listen_count > 0 ? "listening on " : "no listener",
	    (int)buf_count(&text), (const char *)buf_front(&text));
	buf_fini(&text);
}

static void
check_put_good(const struct conf *conf, struct buf *out)
{
	struct buf text = { 0 };

	mp_put_map(out, 8);
	mp_put_cstr(out, "ok");
	mp_put_bool(out, true);
	mp_put_cstr(out, "config");
	mp_put_cstr(out, conf->path);
	mp_put_cstr(out, "run_dir");
	mp_put_cstr(out, conf->run_dir);
	mp_put_cstr(out, "log_dir");
	mp_put_cstr(out, conf->log_dir);
	mp_put_cstr(out, "services");
	mp_put_array(out, (uint32_t)conf->service_count);
	for (size_t i = 0; i < conf->service_count; i++)
		mp_put_cstr(out, conf->services[i]->name);
	mp_put_cstr(out, "instances");
	mp_put_uint(out, check_count_instances(conf));
	mp_put_cstr(out, "routes");
	mp_put_uint(out, check_count_routes(conf));
	mp_put_cstr(out, "listen");
	mp_put_array(out, (uint32_t)conf->router.listen_count);
	for (size_t i = 0; i < conf->router.listen_count; i++) {
		buf_clear(&text);
		check_format_listen(&conf->router.listens[i], &text);
		mp_put_str(out, (const char *)buf_front(&text),
		    buf_count(&text));
	}
	buf_fini(&text);
}

static void
check_put_bad(const struct conf_report *report, struct buf *out)
{
	struct cmd_mistake mistake;

	mp_put_map(out, 2);
	mp_put_cstr(out, "ok");
	mp_put_bool(out, false);
	mp_put_cstr(out, "errors");
	mp_put_array(out, (uint32_t)report->count);
	for (size_t i = 0; i < report->count; i++) {
		cmd_mistake_split(report->lines[i], &mistake);
		mp_put_map(out, 3);
		mp_put_cstr(out, "file");
		if (mistake.file_len > 0)
			mp_put_text(out, mistake.file, mistake.file_len,
			    PATH_MAX);
		else
			mp_put_nil(out);
		mp_put_cstr(out, "line");
		if (mistake.line > 0)
			mp_put_int(out, mistake.line);
		else
			mp_put_nil(out);
		/* It quotes the file, whose bytes may be anything. */
		mp_put_cstr(out, "text");
		mp_put_text(out, mistake.text, strlen(mistake.text), 4096);
	}
}

static void
check_print_json(const struct conf *conf, const struct conf_report *report)
{
	struct buf value = { 0 };

	if (conf != NULL)
		check_put_good(conf, &value);
	else
		check_put_bad(report, &value);
	(void)cmd_json_print_buf(&value);
	buf_fini(&value);
}

int
cmd_check(const struct cmd_line *line)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;
	int rc = conf_load(cmd_conf_path(line), &conf, &report);

	for (size_t i = 0; i < report.count; i++)
		cmd_say("%s", report.lines[i]);
	if (line->is_json)
		check_print_json(conf, &report);
	else if (rc == 0)
		check_print_table(conf);
	conf_report_fini(&report);
	conf_free(&conf);
	return rc == 0 ? CMD_DONE : CMD_FAILED;
}
