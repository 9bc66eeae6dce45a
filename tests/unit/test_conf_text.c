/* A config that is made again from the text of its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
remove_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static void
test_it_is_the_same_without_its_files(void **state)
{
	char dir[] = "/tmp/msvc-conf-XXXXXX", path[256];
	struct conf *conf = NULL, *again = NULL;
	struct conf_report report = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "msvc.ini",
	    "[msvc]\ninclude = *.inc\n[service a]\ncommand = a\n"
	    "route = /a\nfallback = file sorry.txt\n");
	write_file(dir, "b.inc", "[service b]\ncommand = b\nafter = a\n");
	write_file(dir, "c.inc",
	    "[service c]\ncommand = c\nroute = /c\n"
	    "fallback = file sorry.txt\n");
	write_file(dir, "sorry.txt", "sorry");
	snprintf(path, sizeof(path), "%s/msvc.ini", dir);
	assert_int_equal(conf_load(path, &conf, &report), 0);
	assert_int_equal(conf->text_count, 4);
	remove_file(dir, "msvc.ini");
	remove_file(dir, "b.inc");
	remove_file(dir, "sorry.txt");
	/* Another one than it was. */
	write_file(dir, "c.inc", "nonsense");
	assert_int_equal(conf_load_texts(path, conf->texts, conf->text_count,
			     conf->files.count, &again, &report),
	    0);
	assert_int_equal(again->service_count, 3);
	for (size_t i = 0; i < again->service_count; i++)
		assert_int_equal(conf_service_compare(conf->services[i],
				     again->services[i]),
		    CONF_SAME);
	assert_string_equal(conf_find_service(again, "c")->fallback.text,
	    "sorry");
	assert_int_equal(again->text_count, 4);
	remove_file(dir, "c.inc");
	assert_int_equal(rmdir(dir), 0);
	conf_free(&conf);
	conf_free(&again);
}

static void
test_a_file_that_was_not_kept_is_a_mistake(void **state)
{
	struct conf_text texts[] = {
		{ (char[]){ "/x/msvc.ini" },
		    (char[]){ "[service a]\ncommand = a\nroute = /a\n"
			      "fallback = file sorry.txt\n" },
		    0 },
	};
	struct conf_report report = { 0 };
	struct conf *conf = NULL;

	(void)state;
	texts[0].len = strlen(texts[0].bytes);
	assert_int_equal(conf_load_texts("/x/msvc.ini", texts, 1, 1, &conf,
			     &report),
	    -1);
	assert_null(conf);
	assert_true(report.count > 0);
	conf_report_fini(&report);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_the_same_without_its_files),
		cmocka_unit_test(test_a_file_that_was_not_kept_is_a_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
