#include "media.h"

#include <string.h>
#include <strings.h>

/* A run of bytes of a header value. */
struct slice {
	const char *at;
	size_t len;
};

static struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cut off and return what comes before the next separator. */
static struct slice
slice_cut(struct slice *rest, char separator)
{
	struct slice first = *rest;
	const char *end =
	    rest->len == 0 ? NULL : memchr(rest->at, separator, rest->len);

	if (end == NULL) {
		*rest = (struct slice){ rest->at + rest->len, 0 };
	} else {
		first.len = (size_t)(end - first.at);
		rest->at += first.len + 1;
		rest->len -= first.len + 1;
	}
	return slice_trim(first);
}

static bool
slice_is(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

enum media
media_kind(const char *type, size_t len)
{
	struct slice rest = { type, len };
	struct slice name = slice_cut(&rest, ';');

	if (slice_is(name, "application/json"))
		return MEDIA_JSON;
	if (slice_is(name, "application/msgpack") ||
	    slice_is(name, "application/x-msgpack") ||
	    slice_is(name, "application/vnd.msgpack"))
		return MEDIA_MSGPACK;
	if (name.len > 5 &&
	    strncasecmp(name.at + name.len - 5, "+json", 5) == 0)
		return MEDIA_JSON;
	return MEDIA_OTHER;
}

/* "0.25" as 250; malformed counts as 0, for nobody asked for that. */
static int
quality(struct slice s)
{
	int value, scale = 100;

	if (s.len == 0 || s.len > 5 || (s.at[0] != '0' && s.at[0] != '1'))
		return 0;
	value = (s.at[0] - '0') * 1000;
	if (s.len > 1 && s.at[1] != '.')
		return 0;
	for (size_t i = 2; i < s.len; i++, scale /= 10) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return 0;
		value += (s.at[i] - '0') * scale;
	}
	return value > 1000 ? 1000 : value;
}

/* The best claim found so far for one type: how exact, and its q. */
struct claim {
	int exactness; /* 0 none, 1 any type, 2 application, 3 itself */
	int quality;
};

static void
claim_update(struct claim *claim, int exactness, int q)
{
	if (exactness < claim->exactness)
		return;
	if (exactness > claim->exactness || q > claim->quality)
		*claim = (struct claim){ exactness, q };
}

bool
media_wants_msgpack(const char *accept, size_t len)
{
	struct slice rest = { accept, len };
	struct claim json = { 0, 0 }, msgpack = { 0, 0 };

	while (rest.len > 0) {
		struct slice item = slice_cut(&rest, ',');
		struct slice range = slice_cut(&item, ';');
		enum media kind = media_kind(range.at, range.len);
		int q = 1000;

		while (item.len > 0) {
			struct slice param = slice_cut(&item, ';');
			struct slice name = slice_cut(&param, '=');

			if (slice_is(name, "q"))
				q = quality(slice_trim(param));
		}
		if (slice_is(range, "*/*")) {
			claim_update(&json, 1, q);
			claim_update(&msgpack, 1, q);
		} else if (slice_is(range, "application/*")) {
			claim_update(&json, 2, q);
			claim_update(&msgpack, 2, q);
		} else if (kind == MEDIA_JSON) {
			claim_update(&json, 3, q);
		} else if (kind == MEDIA_MSGPACK) {
			claim_update(&msgpack, 3, q);
		}
	}
	return msgpack.quality > json.quality;
}
