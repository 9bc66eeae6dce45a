#include "window.h"

void
window_open(struct window *window)
{
	window->value = WINDOW_FIRST;
}

void
window_answer(struct window *window)
{
	if (window->value != 0 && window->value < WINDOW_MAX)
		window->value++;
}

void
window_widen(struct window *window)
{
	window->value *= 2;
	if (window->value > WINDOW_MAX)
		window->value = WINDOW_MAX;
}

unsigned
window_value(const struct window *window)
{
	return window->value;
}
