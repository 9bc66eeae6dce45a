/* check: the configuration, judged without touching anything that runs. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#include "cmd.h"

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

/* Diagnostics quote the file, whose bytes may be anything; JSON is UTF-8. */
static void
check_put_text(struct buf *out, const char *text)
{
	struct buf copy = { 0 };

	for (; *text != '\0'; text++)
		buf_append_byte(&copy,
		    (unsigned char)*text < 0x80 ? (uint8_t)*text : '?');
	mp_put_str(out, (const char *)buf_front(&copy), buf_count(&copy));
	buf_fini(&copy);
}

static void
check_put_bad(const struct conf_report *report, struct buf *out)
{
	mp_put_map(out, 2);
	mp_put_cstr(out, "ok");
	mp_put_bool(out, false);
	mp_put_cstr(out, "errors");
	mp_put_array(out, (uint32_t)report->count);
	for (size_t i = 0; i < report->count; i++)
		check_put_text(out, report->lines[i]);
}

static void
check_print_json(const struct conf *conf, const struct conf_report *report)
{
	struct buf value = { 0 }, json = { 0 };
	struct err err = { "" };

	if (conf != NULL)
		check_put_good(conf, &value);
	else
		check_put_bad(report, &value);
	if (json_from_mp(buf_front(&value), buf_count(&value), &json, &err) ==
	    0)
		printf("%.*s\n", (int)buf_count(&json),
		    (const char *)buf_front(&json));
	else
		cmd_say("check: %s", err.text);
	buf_fini(&value);
	buf_fini(&json);
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
