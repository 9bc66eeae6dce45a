#include "share.h"

bool
share_is_new(int64_t ramp_us, int64_t since_us, int64_t now_us, uint32_t random)
{
	double at = (double)random / 4294967296.0; /* 0 <= at < 1 */

	if (ramp_us <= 0)
		return true;
	return at * (double)ramp_us < (double)(now_us - since_us);
}
