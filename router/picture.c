#include "picture.h"

#include <unistd.h>

#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "listener.h"
#include "snapshot.h"

void
picture_fini(struct picture *picture)
{
	snapshot_unref(&picture->snapshot);
	for (size_t i = 0; i < picture->listener_count; i++)
		listener_unref(&picture->listeners[i]);
	picture->listener_count = 0;
}

void
picture_begin(struct picture *picture)
{
	picture_fini(picture);
	picture->snapshot = snapshot_new();
	if (picture->snapshot == NULL)
		bug("out of memory for a new picture");
}

static void
add_listener(struct picture *picture, const struct lifeline_listener *from,
    int fd)
{
	struct listener *listener;

	if (fd == -1 || picture->listener_count == PICTURE_LISTENER_MAX) {
		log_errorx("listener %s: %s", from->address,
		    fd == -1 ? "came without its socket" : "one too many");
		if (fd != -1)
			close(fd);
		return;
	}
	listener = listener_new(from, fd);
	if (listener == NULL)
		log_errorx("listener %s: out of memory", from->address);
	else
		picture->listeners[picture->listener_count++] = listener;
}

void
picture_add(struct picture *picture, const struct lifeline_msg *msg, int fd)
{
	struct err err = { "" };
	int rc = 0;

	if (msg->type == LIFELINE_LISTENER) {
		add_listener(picture, &msg->u.listener, fd);
		return;
	}
	if (fd != -1)
		close(fd);
	if (msg->type == LIFELINE_SETTINGS)
		picture->snapshot->settings = msg->u.settings;
	else if (msg->type == LIFELINE_SERVICE)
		rc = snapshot_add_service(picture->snapshot, &msg->u.service,
		    &err);
	else if (msg->type == LIFELINE_ROUTE)
		rc = snapshot_add_route(picture->snapshot, &msg->u.route, &err);
	if (rc == -1)
		log_errorx("picture: %s, left out", err.text);
}

void
picture_reuse(struct picture *picture, const struct picture *before)
{
	for (size_t i = 0; i < picture->listener_count; i++) {
		for (size_t n = 0; n < before->listener_count; n++) {
			struct listener *old = before->listeners[n];

			if (!listener_is_same(picture->listeners[i], old))
				continue;
			listener_unref(&picture->listeners[i]);
			picture->listeners[i] = listener_ref(old);
			break;
		}
	}
}
