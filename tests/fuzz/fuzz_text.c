/*
 * Text from services and files, as the supervisor, the logger and the log
 * command read it: notifications, environment files, answers to probes, lines
 * of logs. The first byte chooses which; any bytes are safe behind it.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/utf8.h"
#include "supervisor/env_file.h"
#include "supervisor/logger/logrec.h"
#include "supervisor/notify.h"
#include "supervisor/probe_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool is_true)
{
	if (!is_true)
		abort();
}

/* What is shown on terminals has no control characters in it. */
static void
expect_plain(const char *text)
{
	for (; *text != '\0'; text++)
		expect(!iscntrl((unsigned char)*text));
}

static void
try_notify(const char *text, size_t len)
{
	struct notify_msg msg;

	notify_parse(text, len, &msg);
	if ((msg.flags & NOTIFY_STATUS) != 0)
		expect_plain(msg.status);
	if ((msg.flags & NOTIFY_ERROR) != 0)
		expect_plain(msg.error);
	if ((msg.flags & NOTIFY_PERIOD) != 0)
		expect(msg.watchdog_us >= 0 &&
		       msg.watchdog_us <= NOTIFY_PERIOD_MAX_US);
	if ((msg.flags & NOTIFY_EXTEND) != 0)
		expect(msg.extend_us >= 0 &&
		       msg.extend_us <= NOTIFY_PERIOD_MAX_US);
}

static void
try_env(const char *text, size_t len)
{
	struct env_items items = { NULL, 0 };
	struct err err = { "" };
	int rc = env_file_parse("/f", text, len, &items, &err);

	expect((rc < 0) == (err.text[0] != '\0'));
	for (size_t i = 0; i < items.count; i++) {
		size_t name_len = strcspn(items.items[i], "=");

		expect(items.items[i][name_len] == '=');
		expect(
		    env_file_check_name(items.items[i], name_len, NULL) == 0);
	}
	env_items_fini(&items);
}

static void
try_probe(const char *text, size_t len)
{
	int status = probe_http_status(text, len);

	expect(status == -1 || status == 0 || (status >= 100 && status <= 599));
}

/* Is it a name as services have it? */
static bool
is_label(const char *label, size_t len)
{
	if (len == 0 || !isalpha((unsigned char)label[0]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)label[i]) && label[i] != '-')
			return false;
	}
	return true;
}

/* What has a name can be read again after it was written as JSON. */
static void
try_log(const char *text, size_t len)
{
	struct buf scratch = { 0 }, again = { 0 }, line = { 0 };
	struct logrec rec, second;

	if (logrec_read(text, len, &scratch, &rec)) {
		logrec_put_json(&line, &rec);
		if (!is_label(rec.label, rec.label_len))
			goto out;
		expect(logrec_read((const char *)buf_front(&line),
		    buf_count(&line), &again, &second));
		expect(second.is_cut == rec.is_cut);
		expect((second.time == NULL) == (rec.time == NULL));
	}
out:
	buf_fini(&scratch);
	buf_fini(&again);
	buf_fini(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *text,
	    size_t len) = { try_notify, try_env, try_probe, try_log };
	char *text;

	if (size == 0)
		return 0;
	/* Some want a NUL behind it; all others may not read beyond. */
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](text, size - 1);
	free(text);
	return 0;
}
