#include "outbox.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "ipc/lifeline.h"
#include "ipc/log.h"

void
outbox_fini(struct outbox *outbox)
{
	buf_fini(&outbox->packets);
	outbox->lost = 0;
}

bool
outbox_flush(struct outbox *outbox, int sock)
{
	struct buf *packets = &outbox->packets;

	while (buf_count(packets) != 0) {
		uint32_t len;
		int rc;

		memcpy(&len, buf_front(packets), sizeof(len));
		rc = lifeline_send(sock, buf_front(packets) + sizeof(len), len,
		    -1);
		if (rc == 1)
			return false;
		/* That it is gone is told by its end of the socket. */
		if (rc == -1 && errno != EPIPE && errno != ECONNRESET)
			log_error("lifeline: a packet of %u bytes is lost",
			    (unsigned)len);
		buf_consume(packets, sizeof(len) + len);
	}
	buf_shrink(packets, LIFELINE_PACKET_MAX);
	if (outbox->lost != 0)
		log_warnx("lifeline: the supervisor reads again, %zu packets "
			  "to it are lost",
		    outbox->lost);
	outbox->lost = 0;
	return true;
}

static bool
put(struct outbox *outbox, const struct buf *packet, bool is_needed)
{
	struct buf *packets = &outbox->packets;
	uint32_t len = (uint32_t)buf_count(packet);
	size_t most = is_needed ? OUTBOX_MAX : OUTBOX_SPARE_MAX;

	if (packet->is_failed || len == 0 || len > LIFELINE_PACKET_MAX ||
	    buf_count(packets) > most)
		return false;
	if (buf_reserve(packets, sizeof(len) + len) == NULL) {
		/* What is there already is whole. */
		packets->is_failed = false;
		return false;
	}
	buf_append(packets, &len, sizeof(len));
	buf_append(packets, buf_front(packet), len);
	return true;
}

void
outbox_send(struct outbox *outbox, int sock, const struct buf *packet,
    bool is_needed)
{
	if (!put(outbox, packet, is_needed)) {
		if (outbox->lost == 0)
			log_errorx("lifeline: cannot tell the supervisor, "
				   "dropped");
		/* One line for all that is lost until there is room again. */
		if (!outbox_is_empty(outbox))
			outbox->lost++;
	}
	(void)outbox_flush(outbox, sock);
}
