/* msvc: the command of msvc(8), and the supervisor it starts. */
#include "cmd.h"
#include "reexec.h"

int
main(int argc, char **argv)
{
	int code;

	/* Not for operators: how a supervisor starts another one. */
	if (resume_main(argc, argv, &code))
		return code;
	return cmd_main(argc, argv);
}
