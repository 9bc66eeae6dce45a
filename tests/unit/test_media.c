/* What a client would rather have, and what a media type is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/media.h"

static void
media_types_are_known_by_name_whatever_their_case_and_parameters(void **state)
{
	static const struct {
		const char *type;
		enum media kind;
	} cases[] = {
		{ "application/json", MEDIA_JSON },
		{ "Application/JSON; charset=utf-8", MEDIA_JSON },
		{ " application/json ;x", MEDIA_JSON },
		{ "application/problem+json", MEDIA_JSON },
		{ "application/msgpack", MEDIA_MSGPACK },
		{ "application/x-msgpack", MEDIA_MSGPACK },
		{ "application/vnd.msgpack", MEDIA_MSGPACK },
		{ "application/jsonp", MEDIA_OTHER },
		{ "text/plain", MEDIA_OTHER },
		{ "+json", MEDIA_OTHER },
		{ "", MEDIA_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(media_kind(cases[i].type,
				     strlen(cases[i].type)),
		    cases[i].kind);
}

static void
msgpack_is_chosen_only_when_it_has_the_higher_q(void **state)
{
	static const struct {
		const char *accept;
		bool wants;
	} cases[] = {
		{ "", false },
		{ "*/*", false },
		{ "application/*", false },
		{ "application/json", false },
		{ "application/msgpack", true },
		{ "application/msgpack, application/json", false },
		{ "application/msgpack, application/json;q=0.9", true },
		{ "application/msgpack;q=0.1, application/json;q=0.9", false },
		{ "application/msgpack;q=0.5, */*;q=0.4", true },
		{ "application/msgpack;q=0.5, */*", false },
		{ "application/msgpack;q=0", false },
		{ "application/msgpack; q=0.001", true },
		{ "application/msgpack;q=junk", false },
		{ "application/json;q=0, */*", true },
		{ "text/html,application/vnd.msgpack;v=1;q=1.000", true },
		{ ",,;;,=", false },
		{ "application/json;q=0.5, application/msgpack;q=0.5", false },
		{ "application/*;q=0.2, application/json;q=0.1", true },
		{ "application/*;q=0.2, application/json;q=0.3", false },
		{ "*/*, application/msgpack;q=0", false },
		{ "*/*;q=0, application/msgpack;q=0.1", true },
		{ "APPLICATION/MSGPACK ; Q=1 , application/json ; q=0.999",
		    true },
		{ "application/json;q=.5, application/msgpack;q=0.1", true },
		{ "application/msgpack;q=0.1234", false },
		{ "application/msgpack;q=2, application/json;q=1", false },
		{ "application/msgpack;q=-1", false },
		{ "application/msgpack;q=", false },
		{ "application/vnd.api+json, application/msgpack;q=0.9",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(media_wants_msgpack(cases[i].accept,
				     strlen(cases[i].accept)),
		    cases[i].wants);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    media_types_are_known_by_name_whatever_their_case_and_parameters),
		cmocka_unit_test(
		    msgpack_is_chosen_only_when_it_has_the_higher_q),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
