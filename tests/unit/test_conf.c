/* conf: every diagnostic with its line, and what a good file becomes. */
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

#define HEAD  "[msvc]\nrun_dir = /run/x\nlog_dir = /log\n"
#define A     HEAD "[service a]\ncommand = a\n"
#define B     "[service b]\ncommand = b\n"
#define ROUTE "[route r]\nservice = a\nmatch = "

static const struct {
	const char *claim;
	const char *text;
	const char *line; /* the first one of the report, behind "/c/m.ini" */
} mistakes[] = {
	{ "unknown key with a guess", A "rout = /a\n",
	    ":6: service \"a\": unknown key \"rout\"; did you mean "
	    "\"route\"?" },
	{ "unknown key, letters swapped", A "tiemout = 1s\n",
	    ":6: service \"a\": unknown key \"tiemout\"; did you mean "
	    "\"timeout\"?" },
	{ "unknown key of another section", A "listen = :80\n",
	    ":6: service \"a\": unknown key \"listen\"; it belongs in "
	    "[router]" },
	{ "unknown key without a guess", A "colour = red\n",
	    ":6: service \"a\": unknown key \"colour\"; msvc.ini(5) lists "
	    "the keys of [service NAME]" },
	{ "env without a name", A "env = x\n",
	    ":6: service \"a\": unknown key \"env\"; write env.NAME = "
	    "value" },
	{ "key twice", A "timeout = 1s\ntimeout = 2s\n",
	    ":7: service \"a\": key \"timeout\" is set already (line 6); "
	    "drop one" },
	{ "env key twice", A "env.A = 1s\nenv.A = 2s\n",
	    ":7: service \"a\": key \"env.A\" is set already (line 6); drop "
	    "one" },
	{ "empty value", A "user =\n",
	    ":6: service \"a\": user \"\" is empty; write a value or drop "
	    "the line" },
	{ "value that is only a comment", A "user = ; nobody\n",
	    ":6: service \"a\": user \"\" is empty; write a value or drop "
	    "the line" },
	{ "key before any section", "run_dir = /x\n",
	    ":1: key \"run_dir\" before any section; write [msvc], [router], "
	    "[service NAME], [route NAME] or [group NAME] above it" },
	{ "line that is no key", HEAD "hello\n",
	    ":4: \"hello\" is not a section, key or comment; write \"key = "
	    "value\"" },
	{ "colon for an equals sign", HEAD "log_keep: 5\n",
	    ":4: \"log_keep: 5\" is not a section, key or comment; write "
	    "\"key = value\"" },
	{ "more of a value on the next line", A "  --more\n",
	    ":6: \"--more\" is not a section, key or comment; write \"key = "
	    "value\"" },
	{ "open section", "[service a\n",
	    ":1: section \"service a\" has no closing bracket; add \"]\"" },
	{ "text after a section", HEAD "[router] x\n",
	    ":4: \"x\" after the section's \"]\"; write it on a line of its "
	    "own" },
	{ "unknown section", "[users]\n",
	    ":1: unknown section \"users\"; write [msvc], [router], [service "
	    "NAME], [route NAME] or [group NAME]" },
	{ "misspelt section", "[servce a]\n",
	    ":1: unknown section \"servce a\"; did you mean [service "
	    "NAME]?" },
	{ "section without a name", "[service]\n",
	    ":1: section \"service\" has no name; write [service NAME]" },
	{ "section with a needless name", "[router x]\n",
	    ":1: section \"router x\" has a name; write [router]" },
	{ "bad name", "[service 1a]\n",
	    ":1: service \"1a\" is not a name; use 1 to 32 letters, digits, "
	    "_ and -, with a letter first" },
	{ "reserved name", "[service Router]\n",
	    ":1: service \"Router\" is a name that msvc uses itself; choose "
	    "another" },
	{ "section twice", A B "[service a]\ncommand = x\n",
	    ":8: service \"a\": section is there already (line 4); put all "
	    "keys into one" },
	{ "router twice", HEAD "[router]\n[router]\n",
	    ":5: router: section is there already (line 4); put all keys "
	    "into one" },
	{ "names alike but for capitals", A "[service A]\ncommand = x\n",
	    ":6: service \"A\": name differs from \"a\" (line 4) in capitals "
	    "only; choose another" },
	{ "control character", "[msvc]\nrun_dir = /\x01x\n",
	    ":2: control character \\x01; use printable text, and end lines "
	    "with a newline" },
	{ "duration", A "timeout = 10x\n",
	    ":6: service \"a\": timeout \"10x\" is not a duration such as "
	    "500ms or 10s" },
	{ "duration without a unit", A "timeout = 10\n",
	    ":6: service \"a\": timeout \"10\" has no unit; write 10s or "
	    "10ms" },
	{ "duration out of range", A "timeout = 25h\n",
	    ":6: service \"a\": timeout \"25h\" is out of range; 1ms to 24h "
	    "is allowed" },
	{ "size", HEAD "[router]\nmax_body = 1x\n",
	    ":5: router: max_body \"1x\" is not a size such as 512, 64k or "
	    "10m" },
	{ "size out of range", HEAD "[router]\nmax_head = 2m\n",
	    ":5: router: max_head \"2m\" is out of range; 1k to 1m is "
	    "allowed" },
	{ "count", A "instances = two\n",
	    ":6: service \"a\": instances \"two\" is no number of processes "
	    "such as 4, or 1..4" },
	{ "count out of range", A "instances = 0\n",
	    ":6: service \"a\": instances \"0\" is out of range; 1 to 1024 is "
	    "allowed" },
	{ "bool", A "enabled = maybe\n",
	    ":6: service \"a\": enabled \"maybe\" is neither yes nor no" },
	{ "word", A "restart = sometimes\n",
	    ":6: service \"a\": restart \"sometimes\" is not one of always, "
	    "on-failure or never" },
	{ "limit", A "restart_limit = 5\n",
	    ":6: service \"a\": restart_limit \"5\" is not a limit such as "
	    "5/60s or none" },
	{ "signal", A "stop_signal = TREM\n",
	    ":6: service \"a\": stop_signal \"TREM\" is not a signal such as "
	    "TERM, INT, QUIT or a number from 1 to 64" },
	{ "exit codes", A "success_codes = 300\n",
	    ":6: service \"a\": success_codes \"300\" is not a list of exit "
	    "codes from 0 to 255 such as 0, 2, 64-78" },
	{ "quote left open", HEAD "[service a]\ncommand = a \"b\n",
	    ":5: service \"a\": command \"a \"b\" has a \" that is not "
	    "closed; add another" },
	{ "backslash at the end", HEAD "[service a]\ncommand = a \\\n",
	    ":5: service \"a\": command \"a \\\" ends with a backslash; write "
	    "\\\\ for a plain one" },
	{ "no program", HEAD "[service a]\ncommand = '' b\n",
	    ":5: service \"a\": command \"'' b\" has no program; write its "
	    "path first" },
	{ "list with a hole", A "route = /a,,/b\n",
	    ":6: service \"a\": route \"/a,,/b\" has an empty item; write a "
	    "list such as a, b" },
	{ "prefix without a slash", A "route = a\n",
	    ":6: service \"a\": route \"a\" has an item \"a\" that is not a "
	    "path; start it with a slash" },
	{ "prefix with a pattern", A "route = /a/*\n",
	    ":6: service \"a\": route \"/a/*\" has an item \"/a/*\" that has "
	    "a character that a path prefix cannot have; use a [route NAME] "
	    "for patterns" },
	{ "prefix with a query", A "route = /a?b\n",
	    ":6: service \"a\": route \"/a?b\" has an item \"/a?b\" that has "
	    "a query; write the path alone" },
	{ "address without a port", HEAD "[router]\nlisten = 8080\n",
	    ":5: router: listen \"8080\" is not an address such as "
	    "127.0.0.1:8080, [::1]:8080 or :8080" },
	{ "address with an unknown word", HEAD "[router]\nlisten = :80 x\n",
	    ":5: router: listen \":80 x\" has more than an address; only the "
	    "word http-only may follow" },
	{ "address twice", HEAD "[router]\nlisten = :80\nlisten = *:80\n",
	    ":6: router: listen \"*:80\" is there already (line 5); drop "
	    "one" },
	{ "url", HEAD "[service a]\nurl = http://h:80\n",
	    ":5: service \"a\": url \"http://h:80\" is not a URL such as "
	    "tcp://HOST:PORT, tls+tcp://HOST:PORT, ws://HOST:PORT/PATH, "
	    "wss://HOST:PORT/PATH or ipc:///PATH" },
	{ "url and command", A "url = tcp://h:80\n",
	    ":5: service \"a\": key \"command\" is for a process of this "
	    "machine, but url (line 6) names another; drop one of them" },
	{ "neither url nor command", HEAD "[service a]\n",
	    ":4: service \"a\": neither command nor url; write command = "
	    "PROGRAM" },
	{ "delays the wrong way round",
	    A "restart_delay = 2s\nrestart_delay_max = 1s\n",
	    ":7: service \"a\": restart_delay 2000ms is over "
	    "restart_delay_max 1000ms; lower the one or raise the other" },
	{ "unknown user", A "user = no-such-user\n",
	    ":6: service \"a\": user \"no-such-user\" is not known here; name "
	    "one that exists or create it" },
	{ "unknown group", A "group = no-such-group\n",
	    ":6: service \"a\": group \"no-such-group\" is not known here; "
	    "name one that exists or create it" },
	{ "env name", A "env.1A = x\n",
	    ":6: service \"a\": env.1A \"x\" does not name a variable; write "
	    "env.NAME with letters, digits and _, no digit first" },
	{ "env name of ours", A "env.MSVC_SERVICE = x\n",
	    ":6: service \"a\": env.MSVC_SERVICE \"x\" is a variable that "
	    "msvc sets itself; choose another" },
	{ "env with two words", A "env.X = 'a' b\n",
	    ":6: service \"a\": env.X \"'a' b\" has more than one quoted "
	    "word; put quotes around all" },
	{ "after an unknown service", A "after = bb\n",
	    ":6: service \"a\": after \"bb\" is not a service of this config; "
	    "write the NAME of a [service NAME]" },
	{ "after a misspelt service",
	    A "after = paymets\n[service payments]\ncommand = p\n",
	    ":6: service \"a\": after \"paymets\" is not a service of this "
	    "config; did you mean \"payments\"?" },
	{ "after a misspelt service with a neighbour",
	    A "after = order\n[service borders]\ncommand = p\n"
	      "[service orders]\ncommand = p\n",
	    ":6: service \"a\": after \"order\" is not a service of this "
	    "config; did you mean \"orders\"?" },
	{ "after itself", A "after = a\n",
	    ":6: service \"a\": after \"a\" is the service itself; drop it" },
	{ "after a remote service",
	    A "after = r\n[service r]\nurl = tcp://h:80\n",
	    ":6: service \"a\": after \"r\" is on another machine, so there "
	    "is no start to wait for; drop it" },
	{ "circle", A "after = b\n" B "after = a\n",
	    ":6: service \"a\": after goes in a circle, a (line 6) -> b (line "
	    "9) -> a; drop one of these" },
	{ "prefix of another", A "route = /u\n" B "route = /x, /u/\n",
	    ":9: service \"b\": route \"/u\" is already taken by \"a\" (line "
	    "6)" },
	{ "prefix written in another way", A "route = /u\n" B "route = /%75\n",
	    ":9: service \"b\": route \"/u\" is already taken by \"a\" (line "
	    "6)" },
	{ "prefix twice", A "route = /u, /u\n",
	    ":6: service \"a\": route \"/u\" is there twice; drop one" },
	{ "route without a match", A "[route r]\nservice = a\n",
	    ":6: route \"r\": no match; write match = GET /PATH" },
	{ "route without a service", A "[route r]\nmatch = /a\n",
	    ":6: route \"r\": no service; write service = NAME" },
	{ "route to an unknown service",
	    A "[route r]\nmatch = /a\nservice = users\n",
	    ":8: route \"r\": service \"users\" is not in this config; write "
	    "the NAME of a [service NAME]" },
	{ "op with a space",
	    A "[route r]\nmatch = /a\nservice = a\nop = get x\n",
	    ":9: route \"r\": op \"get x\" has a space; write an operation "
	    "such as users.get, or a method and a path such as GET /users" },
	{ "match without a path", A ROUTE "users\n",
	    ":8: route \"r\": match \"users\" is not a pattern such as GET "
	    "/users/{id} or /files/*" },
	{ "method in small letters", A ROUTE "get /u\n",
	    ":8: route \"r\": match \"get /u\" does not start with a method; "
	    "write it in capitals, as in GET /users/{id}" },
	{ "star in the middle", A ROUTE "/a/*/b\n",
	    ":8: route \"r\": match \"/a/*/b\" has a { or * within a segment; "
	    "{name} must be a whole segment, * the last one" },
	{ "half a parameter", A ROUTE "/a/{b\n",
	    ":8: route \"r\": match \"/a/{b\" has a { or * within a segment; "
	    "{name} must be a whole segment, * the last one" },
	{ "parameter without a name", A ROUTE "/a/{}\n",
	    ":8: route \"r\": match \"/a/{}\" has a malformed {name}; use 1 "
	    "to 32 letters, digits, _ and -, with a letter first" },
	{ "parameter twice", A ROUTE "/{a}/{a}\n",
	    ":8: route \"r\": match \"/{a}/{a}\" has {a} twice; give each its "
	    "own name" },
	{ "empty segment", A ROUTE "/a//b\n",
	    ":8: route \"r\": match \"/a//b\" has an empty segment; write one "
	    "slash" },
	{ "dots", A ROUTE "/a/../b\n",
	    ":8: route \"r\": match \"/a/../b\" has a segment \"..\", which "
	    "no request has; leave it out" },
	{ "bad escape", A ROUTE "/a/%4\n",
	    ":8: route \"r\": match \"/a/%4\" has a % without two hexadecimal "
	    "digits; write %25 for a plain one" },
	{ "same shape twice",
	    A ROUTE "GET /u/{id}\n[route s]\nservice=a\nmatch = GET /u/{x}\n",
	    ":11: route \"s\": match \"GET /u/{x}\" is the same as \"GET "
	    "/u/{id}\" of route \"r\" (line 8); drop one or give them "
	    "different methods" },
	{ "crossing patterns",
	    A ROUTE "/a/{x}/c\n[route s]\nservice=a\nmatch = GET /a/b/{y}\n",
	    ":11: route \"s\": match \"GET /a/b/{y}\" crosses \"/a/{x}/c\" of "
	    "route \"r\" (line 8), each has a literal where the other has a "
	    "{name}; make segment 2 a {name} here or a literal there" },
	{ "crossing patterns under a star",
	    A ROUTE "/{x}/c/*\n[route s]\nservice=a\nmatch = /a/{y}/d\n",
	    ":11: route \"s\": match \"/a/{y}/d\" crosses \"/{x}/c/*\" of "
	    "route \"r\" (line 8), each has a literal where the other has a "
	    "{name}; make segment 1 a {name} here or a literal there" },
	{ "match of a prefix", A "route = /u\n" ROUTE "/u/*\n",
	    ":9: route \"r\": match \"/u/*\" is already taken by route \"/u\" "
	    "of service \"a\" (line 6); put a method in front of it or drop "
	    "one" },
	{ "include that is not there", HEAD "include = no.ini\n",
	    ":4: msvc: include \"no.ini\" is not there; name a file, or use a "
	    "wildcard that may match none" },
	{ "include with a hole", HEAD "include = *.ini,\n",
	    ":4: msvc: include \"*.ini,\" has an empty item; write a list "
	    "such as a, b" },
	{ "run_dir too long",
	    "[msvc]\nlog_dir=/l\nrun_dir = "
	    "/1234567890123456789012345678901234567890123456789012345678901234"
	    "5678901234567890123456789012345678\n",
	    ":3: msvc: run_dir "
	    "\"/1234567890123456789012345678901234567890123456789012345678901"
	    "2345678901234567890123456789012345678\" is 11 bytes too long for "
	    "the sockets in it; choose a shorter one" },
	{ "run_dir too long for a name",
	    "[msvc]\nlog_dir=/l\nrun_dir = "
	    "/1234567890123456789012345678901234567890123456789012345678901234"
	    "56789012345\n[service "
	    "abcdefghijklmnopqrst]\ncommand = a\n",
	    ":4: service \"abcdefghijklmnopqrst\": path of its sockets in "
	    "run_dir "
	    "\"/1234567890123456789012345678901234567890123456789012345678901"
	    "23456789012345\" is 7 bytes too long; shorten run_dir or the "
	    "name" },
	{ "UTF-16", "\xff\xfe[x",
	    ":1: this is UTF-16; save the file as UTF-8" },
};

static void
each_mistake_names_its_line_and_what_would_be_right(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct conf_report report = { 0 };
		struct conf *conf;
		int rc = conf_load_text("/c/m.ini", mistakes[i].text,
		    strlen(mistakes[i].text), &conf, &report);

		if (rc == 0 || conf != NULL || report.count != 1 ||
		    strcmp(report.lines[0] + strlen("/c/m.ini"),
			mistakes[i].line) != 0) {
			print_error("%s: not %s\n", mistakes[i].claim,
			    mistakes[i].line);
			conf_report_print(&report, stderr);
			wrong++;
		}
		conf_free(&conf);
		conf_report_fini(&report);
	}
	assert_int_equal(wrong, 0);
}

static struct conf *
load(const char *text)
{
	struct conf_report report = { 0 };
	struct conf *conf;

	conf_load_text("/c/m.ini", text, strlen(text), &conf, &report);
	conf_report_print(&report, stderr);
	assert_non_null(conf);
	assert_int_equal(report.count, 0);
	conf_report_fini(&report);
	return conf;
}

static void
all_mistakes_come_in_line_order(void **state)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	const char *text = "x\n" A "after = zz\ntimeout = 1\n"
			   "[service q]\n[bad]\n";

	(void)state;
	conf_load_text("m.ini", text, strlen(text), &conf, &report);
	assert_int_equal(report.count, 5);
	assert_memory_equal(report.lines[0], "m.ini:1: ", 9);
	assert_memory_equal(report.lines[1], "m.ini:7: ", 9);
	assert_memory_equal(report.lines[2], "m.ini:8: ", 9);
	assert_memory_equal(report.lines[3], "m.ini:9: ", 9);
	assert_memory_equal(report.lines[4], "m.ini:10: ", 10);
	conf_report_fini(&report);
}

static void
noise_is_cut_with_its_count(void **state)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	char text[4 * 50000 + 1];

	(void)state;
	for (size_t i = 0; i < 50000; i++)
		memcpy(text + 4 * i, "abc\n", 4);
	conf_load_text("m", text, 4 * 50000, &conf, &report);
	assert_int_equal(report.count, 101);
	assert_string_equal(report.lines[100], "m: and 49900 more mistakes");
	conf_report_fini(&report);
}

static void
a_file_with_nul_bytes_is_one_mistake(void **state)
{
	static const char text[] = "[msvc]\nrun\0dir\n\0\0\nx\n";
	struct conf_report report = { 0 };
	struct conf *conf;

	(void)state;
	conf_load_text("m", text, sizeof(text) - 1, &conf, &report);
	assert_int_equal(report.count, 1);
	assert_string_equal(report.lines[0],
	    "m:2: NUL byte; this must be a text file, the rest of it is not "
	    "read");
	conf_report_fini(&report);
}

static void
the_shape_of_lines_does_not_matter(void **state)
{
	struct conf *conf = load("\xef\xbb\xbf" HEAD "# c\r\n ; c\n\n"
				 "\t[ service  a ]; c\r\n"
				 "  command=/bin/a 'x ; y' \"z\\\"\" ;c ' x\r\n"
				 "timeout\t=  5s ; c\n"
				 "env.E = it's ; so\n"
				 "env.F = \"a ; b \"\n"
				 "env.G =\n"
				 "[service b]\ncommand = b");
	const struct conf_service *a = conf_find_service(conf, "a");

	(void)state;
	assert_int_equal(conf->service_count, 2);
	assert_non_null(conf_find_service(conf, "b"));
	assert_null(conf_find_service(conf, "c"));
	assert_int_equal(a->place.line, 7);
	assert_string_equal(a->place.file, "/c/m.ini");
	assert_int_equal(a->argv.count, 3);
	assert_string_equal(a->argv.items[1], "x ; y");
	assert_string_equal(a->argv.items[2], "z\"");
	assert_int_equal(a->timeout_ms, 5000);
	assert_string_equal(a->env.items[0], "E=it's");
	assert_string_equal(a->env.items[1], "F=a ; b ");
	assert_string_equal(a->env.items[2], "G=");
	conf_free(&conf);
}

static void
a_pattern_over_its_bound_is_refused(void **state)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	char text[2000] = A "route = /";

	(void)state;
	memset(text + strlen(text), 'x', 1100);
	conf_load_text("m", text, strlen(text), &conf, &report);
	assert_int_equal(report.count, 1);
	assert_non_null(strstr(report.lines[0],
	    "...\" that is over 1024 bytes long; shorten it"));
	conf_report_fini(&report);
}

static void
a_line_of_any_length_is_kept_whole(void **state)
{
	static const size_t lens[] = { 150, 199, 200, 201, 4096, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *text = malloc(lens[i] + 200), *end;
		struct conf *conf;

		end = stpcpy(text, A "env.LONG = ");
		memset(end, 'x', lens[i]);
		strcpy(end + lens[i], "\ntimeout = 1s\n");
		conf = load(text);
		assert_int_equal(strlen(conf->services[0]->env.items[0]),
		    lens[i] + 5);
		assert_int_equal(conf->services[0]->timeout_ms, 1000);
		conf_free(&conf);
		free(text);
	}
}

static void
defaults_come_from_the_table(void **state)
{
	struct conf *conf = load(A);
	const struct conf_service *a = conf->services[0];
	const struct conf_router *router = &conf->router;

	(void)state;
	assert_string_equal(conf->path, "/c/m.ini");
	assert_int_equal(conf->log_max_size, 10 * 1024 * 1024);
	assert_int_equal(conf->log_keep, 5);
	assert_int_equal(router->listen_count, 1);
	assert_string_equal(router->listens[0].host, "127.0.0.1");
	assert_string_equal(router->listens[0].port, "8080");
	assert_true(router->listens[0].is_sp_allowed);
	assert_string_equal(router->admin, "");
	assert_int_equal(router->max_connections, 20000);
	assert_int_equal(router->link_queue, 8 * 1024 * 1024);
	assert_int_equal(router->access_log, CONF_ACCESS_TEXT);
	assert_int_equal(a->instances, 1);
	assert_int_equal(a->restart, CONF_RESTART_ALWAYS);
	assert_int_equal(a->restart_limit.count, 5);
	assert_int_equal(a->restart_limit.period_ms, 60000);
	assert_int_equal(a->ready, CONF_READY_AUTO);
	assert_int_equal(a->stop_signal, 15);
	assert_int_equal(a->success_codes[0], 1);
	assert_true(a->is_enabled);
	assert_null(a->url);
	assert_null(a->dir);
	assert_non_null(a->env.items);
	conf_free(&conf);
}

static void
values_reach_their_fields(void **state)
{
	struct conf *conf = load("[msvc]\nrun_dir = run\nlog_dir = ./log\n"
				 "[router]\nlisten = :1, [::1]:2 http-only\n"
				 "listen = h:3\nadmin = :9\naccess_log = json\n"
				 "[service a]\ncommand = bin/a\ndir = d\n"
				 "route = /, /a%2fb/\nsuccess_codes = 0, 9-10\n"
				 "restart_limit = none\nstop_signal = SIGKILL\n"
				 "enabled = no\nready = none\n"
				 "[route r]\nservice = a\nop = a.b\n"
				 "match = GET /u/{id}/*\nmax_body = 2k\n");
	const struct conf_service *a = conf->services[0];

	(void)state;
	assert_string_equal(conf->run_dir, "/c/run");
	assert_string_equal(conf->log_dir, "/c/log");
	assert_int_equal(conf->router.listen_count, 3);
	assert_string_equal(conf->router.listens[0].host, "");
	assert_string_equal(conf->router.listens[1].host, "::1");
	assert_false(conf->router.listens[1].is_sp_allowed);
	assert_string_equal(conf->router.listens[2].host, "h");
	assert_int_equal(conf->router.access_log, CONF_ACCESS_JSON);
	assert_string_equal(a->argv.items[0], "/c/bin/a");
	assert_string_equal(a->dir, "/c/d");
	assert_string_equal(a->prefixes.items[0], "/");
	assert_string_equal(a->prefixes.items[1], "/a%2Fb");
	assert_int_equal(a->prefix_places[1].line, 12);
	assert_int_equal(a->success_codes[1], 6);
	assert_int_equal(a->restart_limit.count, 0);
	assert_int_equal(a->stop_signal, 9);
	assert_int_equal(a->ready, CONF_READY_NONE);
	assert_false(a->is_enabled);
	assert_string_equal(conf->routes[0].op, "a.b");
	assert_int_equal(conf->routes[0].max_body, 2048);
	assert_int_equal(conf->routes[0].timeout_ms, 0);
	conf_free(&conf);
}

static void
the_start_order_respects_after_and_else_the_file(void **state)
{
	static const size_t expected[] = { 2, 1, 0, 3 };
	struct conf *conf = load(HEAD "[service a]\ncommand=a\nafter = b\n"
				      "[service b]\ncommand=b\nafter = c\n"
				      "[service c]\ncommand=c\n"
				      "[service d]\ncommand=d\nafter = b, c\n");

	(void)state;
	assert_memory_equal(conf->start_order, expected, sizeof(expected));
	conf_free(&conf);
}

static void
patterns_that_one_rule_orders_are_fine(void **state)
{
	struct conf *conf =
	    load(A "route = /u\n"
		   "[service b]\ncommand = b\nroute = /\n" ROUTE "GET /u/{id}\n"
		   "[route s]\nservice=a\nmatch = /u/{id}\n"
		   "[route t]\nservice=a\nmatch = /u/me\n"
		   "[route v]\nservice=a\nmatch = /u/{id}/x\n"
		   "[route w]\nservice=a\nmatch = GET /{a}/{b}/*\n"
		   "[route x]\nservice=a\n"
		   "match = PUT /a/{b}/c\n"
		   "[route y]\nservice=a\nmatch = /u/\n"
		   "[route z]\nservice=a\nmatch = /u\n");

	(void)state;
	assert_int_equal(conf->route_count, 8);
	conf_free(&conf);
}

static void
ten_thousand_services_and_routes_load(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct conf *conf;

	(void)state;
	fputs(HEAD, out);
	for (int i = 0; i < 10000; i++) {
		fprintf(out, "[service s%d]\ncommand = a\nroute = /s%d\n", i,
		    i);
		if (i < 9999)
			fprintf(out, "after = s%d\n", i + 1);
		fprintf(out,
		    "[route r%d]\nservice = s%d\nmatch = GET /api/%d/{x}\n", i,
		    i, i);
	}
	fclose(out);
	conf = load(text);
	assert_int_equal(conf->service_count, 10000);
	assert_int_equal(conf->start_order[0], 9999);
	conf_free(&conf);
	free(text);
}

static void
file_write(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void
file_drop(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void
included_files_are_read_once_and_in_order(void **state)
{
	char dir[] = "/tmp/test-conf-[x]-XXXXXX", path[256], line[400];
	struct conf_report report = { 0 };
	struct conf *conf;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/m.ini", dir);
	file_write(dir, "m.ini", HEAD "include = a.ini, *.ini\n");
	file_write(dir, "a.ini", "[service a]\ncommand = a\n");
	file_write(dir, "b.ini", "[service b]\ncommand = ./b\n");
	assert_int_equal(conf_load(path, &conf, &report), 0);
	assert_int_equal(conf->files.count, 3);
	assert_int_equal(conf->service_count, 2);
	snprintf(line, sizeof(line), "%s/b", dir);
	assert_string_equal(conf->services[1]->argv.items[0], line);
	conf_free(&conf);

	file_write(dir, "b.ini",
	    "[service a]\ncommand = b\n[msvc]\ninclude = x\n");
	file_write(dir, "m.ini", HEAD "include = *.ini\nlog_keep = x\n");
	assert_int_equal(conf_load(path, &conf, &report), -1);
	assert_int_equal(report.count, 4);
	snprintf(line, sizeof(line), "%s/m.ini:5: ", dir);
	assert_memory_equal(report.lines[0], line, strlen(line));
	snprintf(line, sizeof(line),
	    "%s/b.ini:1: service \"a\": section is there already "
	    "(%s/a.ini:1); put all keys into one",
	    dir, dir);
	assert_string_equal(report.lines[1], line);
	snprintf(line, sizeof(line),
	    "%s/b.ini:3: msvc: section is there already (%s/m.ini:1); put "
	    "all keys into one",
	    dir, dir);
	assert_string_equal(report.lines[2], line);
	snprintf(line, sizeof(line),
	    "%s/b.ini:4: msvc: include within an included file; write it in "
	    "\"%s\"",
	    dir, path);
	assert_string_equal(report.lines[3], line);
	conf_report_fini(&report);
	file_drop(dir, "m.ini");
	file_drop(dir, "a.ini");
	file_drop(dir, "b.ini");
	rmdir(dir);
}

static void
directories_are_found_among_mistakes(void **state)
{
	char dir[] = "/tmp/test_conf.XXXXXX", path[64], own[64];
	const struct {
		const char *text, *run_dir, *log_dir, *crash_dir;
	} cases[] = {
		{ "[serv\n[service a]\ncomand = x\n" HEAD, "/run/x", "/log",
		    "/log/crash" },
		{ HEAD "rnu_dir = /y\nlog_keep = many\ncrash_dir = /c\n",
		    "/run/x", "/log", "/c" },
		{ "[msvc]\nrun_dir = r\nlog_dir = l\ncrash_dir = c\nx\n", NULL,
		    NULL, NULL },
	};
	char *run_dir, *log_dir, *crash_dir;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/m.ini", dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		file_write(dir, "m.ini", cases[i].text);
		assert_int_equal(conf_load_dirs(path, &run_dir, &log_dir,
				     &crash_dir),
		    0);
		snprintf(own, sizeof(own), "%s/r", dir);
		assert_string_equal(run_dir,
		    cases[i].run_dir != NULL ? cases[i].run_dir : own);
		snprintf(own, sizeof(own), "%s/l", dir);
		assert_string_equal(log_dir,
		    cases[i].log_dir != NULL ? cases[i].log_dir : own);
		snprintf(own, sizeof(own), "%s/c", dir);
		assert_string_equal(crash_dir,
		    cases[i].crash_dir != NULL ? cases[i].crash_dir : own);
		free(run_dir);
		free(log_dir);
		free(crash_dir);
	}
	assert_int_equal(conf_load_dirs(path, NULL, NULL, NULL), 0);
	file_drop(dir, "m.ini");
	assert_int_equal(conf_load_dirs(path, &run_dir, &log_dir, &crash_dir),
	    -1);
	assert_null(run_dir);
	assert_null(log_dir);
	assert_null(crash_dir);
	rmdir(dir);
}

static void
a_file_that_cannot_be_read_is_named(void **state)
{
	struct conf_report report = { 0 };
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load("/nonexistent/m.ini", &conf, &report), -1);
	assert_string_equal(report.lines[0],
	    "/nonexistent/m.ini: cannot be read: No such file or directory");
	assert_int_equal(report.count, 1);
	conf_report_fini(&report);
	assert_int_equal(conf_load("/dev/null", &conf, &report), -1);
	assert_string_equal(report.lines[0],
	    "/dev/null: is not a regular file");
	conf_report_fini(&report);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_mistake_names_its_line_and_what_would_be_right),
		cmocka_unit_test(all_mistakes_come_in_line_order),
		cmocka_unit_test(noise_is_cut_with_its_count),
		cmocka_unit_test(a_file_with_nul_bytes_is_one_mistake),
		cmocka_unit_test(the_shape_of_lines_does_not_matter),
		cmocka_unit_test(a_pattern_over_its_bound_is_refused),
		cmocka_unit_test(a_line_of_any_length_is_kept_whole),
		cmocka_unit_test(defaults_come_from_the_table),
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(
		    the_start_order_respects_after_and_else_the_file),
		cmocka_unit_test(patterns_that_one_rule_orders_are_fine),
		cmocka_unit_test(ten_thousand_services_and_routes_load),
		cmocka_unit_test(included_files_are_read_once_and_in_order),
		cmocka_unit_test(directories_are_found_among_mistakes),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
	};

	/* So that an ordinary user has a run_dir where a file sets none. */
	setenv("XDG_RUNTIME_DIR", "/run/user", 1);
	setenv("HOME", "/nonexistent", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
