/* Any bytes are a config that loads or is refused with a reason. */
#include <stdint.h>
#include <stdlib.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report report = { 0 };
	struct conf *conf;
	int rc = conf_load_text("/nonexistent/msvc.ini", (const char *)data,
	    size, &conf, &report);

	if ((rc == 0) != (conf != NULL) || (rc == 0) != (report.count == 0))
		abort();
	conf_free(&conf);
	conf_report_fini(&report);
	return 0;
}
