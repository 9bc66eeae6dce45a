/* msvc: the command of msvc(8), and the supervisor it starts. */
#include "cmd.h"

int
main(int argc, char **argv)
{
	return cmd_main(argc, argv);
}
