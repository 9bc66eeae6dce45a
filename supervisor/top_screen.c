/* top_screen: msvc top on the terminal. The only user of ncurses. */
#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_status.h"
#include "top.h"

enum {
	SCREEN_HEAD = 3, /* lines above the rows */
	SCREEN_FOOT = 1,
	PAIR_GOOD = 1,
	PAIR_BAD,
	PAIR_BUSY
};

static SCREEN *screen;
static bool has_colour;

static void
screen_set_colours(void)
{
	has_colour =
	    cmd_is_colour(STDOUT_FILENO) && has_colors() && start_color() == OK;
	if (!has_colour)
		return;
	use_default_colors();
	init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	init_pair(PAIR_BAD, COLOR_RED, -1);
	init_pair(PAIR_BUSY, COLOR_YELLOW, -1);
}

/* Some know no more than lines, one after the other. */
static bool
screen_can_move(void)
{
	const char *move_to = tigetstr("cup");

	return move_to != NULL && move_to != (const char *)-1;
}

int
top_screen_open(void)
{
	const char *term = getenv("TERM");

	setlocale(LC_CTYPE, "");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		cmd_say("top: needs a terminal; msvc status does not");
		return -1;
	}
	/* Unlike initscr(), it does not end the program. */
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL || !screen_can_move()) {
		top_screen_close();
		cmd_say("top: cannot use a terminal of type \"%s\"",
		    term != NULL ? term : "");
		return -1;
	}
	set_escdelay(50);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	screen_set_colours();
	return 0;
}

void
top_screen_close(void)
{
	if (screen == NULL)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

size_t
top_screen_rows(void)
{
	return LINES > SCREEN_HEAD + SCREEN_FOOT
		   ? (size_t)(LINES - SCREEN_HEAD - SCREEN_FOOT)
		   : 1;
}

int
top_screen_key(void)
{
	static const struct {
		int from, to;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },
		{ 'k', TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN },
		{ 'j', TOP_KEY_DOWN },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },
		{ KEY_END, TOP_KEY_END },
		{ KEY_ENTER, TOP_KEY_ENTER },
		{ '\r', TOP_KEY_ENTER },
		{ '\n', TOP_KEY_ENTER },
		{ 27, TOP_KEY_ESCAPE },
		{ KEY_BACKSPACE, TOP_KEY_ERASE },
		{ 127, TOP_KEY_ERASE },
		{ 8, TOP_KEY_ERASE },
		{ KEY_RESIZE, TOP_KEY_RESIZE },
	};
	int key = getch();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].from == key)
			return keys[i].to;
	}
	return key == ERR ? -1 : key < 0x100 ? key : 0;
}

/* One line, cut at the edge. */
static void
screen_line(int y, int attrs, const char *text)
{
	if (move(y, 0) == ERR)
		return; /* the window is lower than that */
	clrtoeol();
	attrset(attrs);
	/* In the last column of the last line it would scroll. */
	addnstr(text, COLS > 1 ? COLS - 1 : 1);
	attrset(A_NORMAL);
}

static int
screen_state_attrs(struct cmd_text state)
{
	static const struct {
		const char *state;
		int pair;
	} rows[] = {
		{ "ready", PAIR_GOOD },
		{ "failed", PAIR_BAD },
		{ "backoff", PAIR_BAD },
		{ "starting", PAIR_BUSY },
		{ "draining", PAIR_BUSY },
		{ "stopping", PAIR_BUSY },
	};

	for (size_t i = 0; has_colour && i < sizeof(rows) / sizeof(rows[0]);
	     i++) {
		if (cmd_text_is(state, rows[i].state))
			return COLOR_PAIR(rows[i].pair);
	}
	return A_NORMAL;
}

static void
screen_draw_head(const struct top *top)
{
	const struct cmd_model *model = &top->model;
	struct cmd_text state = top_about(top, "state");
	size_t ready = 0, processes = 0;
	char text[256], uptime[16];

	for (size_t i = 0; i < model->instance_count; i++) {
		ready += cmd_text_is(model->instances[i].state, "ready");
		processes += model->instances[i].pid > 0;
	}
	cmd_status_duration(time(NULL) - top_about_int(top, "since"), uptime);
	snprintf(text, sizeof(text),
	    "msvc %.*s, pid %lld, up %s; services %zu, processes %zu, ready "
	    "%zu",
	    (int)state.len, state.str, (long long)top_about_int(top, "pid"),
	    uptime, model->service_count, processes, ready);
	screen_line(0, A_BOLD, text);
	if (top->mode == TOP_FILTER)
		snprintf(text, sizeof(text), "filter: %s_", top->order.filter);
	else if (top->mode == TOP_CONFIRM)
		snprintf(text, sizeof(text), "%s", top->note);
	else if (top->trouble[0] != '\0' || top->note[0] != '\0')
		snprintf(text, sizeof(text), "%s",
		    top->trouble[0] != '\0' ? top->trouble : top->note);
	else if (top->order.filter[0] != '\0')
		snprintf(text, sizeof(text), "only with \"%s\" (/ changes it)",
		    top->order.filter);
	else
		text[0] = '\0';
	screen_line(1, top->trouble[0] != '\0' ? A_REVERSE : A_NORMAL, text);
}

static void
screen_draw_titles(const struct top *top, unsigned name_width)
{
	char text[TOP_LINE_MAX];
	unsigned width, at;

	top_format_head(name_width, text);
	screen_line(2, A_REVERSE, text);
	at = top_column_at(top->order.column, name_width, &width);
	if (at < (unsigned)COLS)
		mvchgat(2, (int)at,
		    width < (unsigned)COLS - at ? (int)width : -1,
		    A_REVERSE | A_BOLD | A_UNDERLINE, 0, NULL);
}

static void
screen_draw_rows(struct top *top)
{
	unsigned name_width = top_name_width(&top->model), width, at;
	const struct cmd_model_instance *inst;
	size_t rows = top_screen_rows(), row;
	char text[TOP_LINE_MAX];
	int y;

	screen_draw_titles(top, name_width);
	at = top_column_at(TOP_STATE, name_width, &width);
	for (size_t i = 0; i < rows; i++) {
		row = top->first + i;
		y = SCREEN_HEAD + (int)i;
		if (row >= top->row_count) {
			screen_line(y, A_NORMAL, "");
			continue;
		}
		inst = &top->model.instances[top->rows[row]];
		top_format_row(&top->model, inst, name_width, text);
		screen_line(y, row == top->at ? A_REVERSE : A_NORMAL, text);
		if (row != top->at && at + width < (unsigned)COLS)
			mvchgat(y, (int)at, (int)width,
			    (attr_t)screen_state_attrs(inst->state),
			    (short)PAIR_NUMBER(screen_state_attrs(inst->state)),
			    NULL);
	}
}

static void
screen_draw_log(const struct top *top)
{
	size_t rows = top_screen_rows();
	const char *line;
	char text[120];

	snprintf(text, sizeof(text), "log of %s", top->log.label);
	screen_line(2, A_REVERSE, text);
	for (size_t i = 0; i < rows; i++) {
		line = top_log_line(&top->log, rows - 1 - i);
		screen_line(SCREEN_HEAD + (int)i, A_NORMAL,
		    line != NULL ? line : "");
	}
}

void
top_screen_draw(struct top *top)
{
	static const char *const feet[] = {
		[TOP_LIST] = "q quit  r restart  d drain  u undrain  s stop  "
			     "S start  l log  / filter  < > P M R T F N sort  "
			     "I turn",
		[TOP_FILTER] = "Enter keeps it, Esc shows all",
		[TOP_CONFIRM] = "y yes, any other key no",
		[TOP_LOG] = "q back to the list",
	};

	screen_draw_head(top);
	if (top->mode == TOP_LOG)
		screen_draw_log(top);
	else
		screen_draw_rows(top);
	screen_line(LINES - 1, A_DIM, feet[top->mode]);
	refresh();
}
