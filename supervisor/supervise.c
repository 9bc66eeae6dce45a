#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "instance_limits.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/log.h"
#include "logger/sweep.h"
#include "notify.h"
#include "parent.h"
#include "program.h"
#include "supervisor.h"

enum {
	SUPERVISE_LOGGER_STOP_MS = 5000,
	SUPERVISE_ROUTER_GRACE_MS = 1000,
	SUPERVISE_ACCESS_PIPE = 1024 * 1024,
};

void
supervise_changed(struct supervise *sup)
{
	loop_task_add(sup->loop, &sup->changed);
}

static void
supervise_hurry(struct supervise *sup)
{
	sup->is_hurried = true;
	if (sup->phase == SUPERVISE_STOP_ROUTER)
		role_kill(&sup->router);
	if (sup->phase <= SUPERVISE_STOP_SERVICES) {
		services_stop(&sup->services);
		services_kill(&sup->services);
	} else
		role_kill(&sup->logger);
}

void
supervise_stop(struct supervise *sup, const char *why)
{
	if (sup->phase > SUPERVISE_RUNNING) {
		log_warnx("supervisor: %s again, killing what is left", why);
		supervise_hurry(sup);
		return;
	}
	log_info("supervisor: %s, stopping", why);
	notify_parent("STOPPING=1\nSTATUS=stopping\n");
	sup->phase = SUPERVISE_STOP_ROUTER;
	role_stop(&sup->router,
	    sup->conf->router.drain_timeout_ms + SUPERVISE_ROUTER_GRACE_MS);
}

void
supervise_fail(struct supervise *sup, const char *name)
{
	char why[128];

	if (sup->phase > SUPERVISE_RUNNING)
		return;
	sup->exit_code = 1;
	snprintf(why, sizeof(why), "%s has failed (on_failed = exit)", name);
	supervise_stop(sup, why);
}

void
supervise_role_gone(struct supervise *sup, struct role *role)
{
	if (role->kind == ROLE_ROUTER) {
		sup->phase = SUPERVISE_STOP_SERVICES;
		services_stop(&sup->services);
	} else {
		sup->phase = SUPERVISE_DONE;
		loop_stop(sup->loop);
	}
}

static void
supervise_free_old_confs(struct supervise *sup)
{
	for (size_t i = 0; i < sup->old_conf_count; i++)
		conf_free(&sup->old_confs[i]);
	free(sup->old_confs);
	sup->old_confs = NULL;
	sup->old_conf_count = 0;
}

/* Those on which nothing runs any more. */
static void
supervise_sweep_old_confs(struct supervise *sup)
{
	size_t kept = 0;

	for (size_t i = 0; i < sup->old_conf_count; i++) {
		if (services_hold(&sup->services, sup->old_confs[i]))
			sup->old_confs[kept++] = sup->old_confs[i];
		else
			conf_free(&sup->old_confs[i]);
	}
	sup->old_conf_count = kept;
}

/* The first time that everything is up, or has turned out not to be. */
static void
supervise_check_started(struct supervise *sup)
{
	int settled;

	if (sup->router.state != STATE_READY)
		return;
	settled = services_settled(&sup->services, NULL);
	if (settled == 0)
		return;
	sup->phase = SUPERVISE_RUNNING;
	notify_parent(settled > 0
			  ? "READY=1\nSTATUS=all services are ready\n"
			  : "READY=1\nSTATUS=not all services are ready\n");
	if (settled > 0)
		log_info("supervisor: all services are ready");
	else
		log_warnx("supervisor: not all services are ready");
}

static void
supervise_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Let the pipes end, so that the logger knows that it has read all. */
static void
supervise_stop_logger(struct supervise *sup)
{
	log_info("supervisor: all services are stopped");
	crash_flush(sup);
	log_init(STDERR_FILENO, LOG_LEVEL_WARN);
	supervise_close(&sup->log_fd);
	supervise_close(&sup->access_fd);
	supervise_close(&sup->router_fd);
	sup->phase = SUPERVISE_STOP_LOGGER;
	role_stop(&sup->logger, SUPERVISE_LOGGER_STOP_MS);
}

static void
supervise_on_changed(struct loop_task *task)
{
	struct supervise *sup = loop_owner(task, struct supervise, changed);

	if (sup->phase <= SUPERVISE_STOP_SERVICES)
		services_step(&sup->services);
	if (sup->old_conf_count > 0)
		supervise_sweep_old_confs(sup);
	sockets_sweep(&sup->sockets, &sup->services);
	if (sup->phase == SUPERVISE_STARTING)
		supervise_check_started(sup);
	if (sup->phase == SUPERVISE_STOP_SERVICES &&
	    services_are_down(&sup->services))
		supervise_stop_logger(sup);
	control_server_step(&sup->control);
}

static bool
supervise_is_terminal_gone(void)
{
	struct pollfd pfd = { .events = 0 };
	struct stat st;

	for (pfd.fd = STDIN_FILENO; pfd.fd <= STDERR_FILENO; pfd.fd++) {
		/* A pipe without its other side says the same of itself. */
		if (fstat(pfd.fd, &st) == 0 && S_ISCHR(st.st_mode) &&
		    poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP) != 0)
			return true;
	}
	return false;
}

/* A window that closes sends the same signal as whoever wants a reload. */
static void
supervise_on_hangup(struct supervise *sup)
{
	struct reload_counts counts;
	struct buf text = { 0 };

	if (sup->is_foreground && supervise_is_terminal_gone()) {
		/* Shell and kernel may both send it: no reason to hurry. */
		if (sup->phase <= SUPERVISE_RUNNING)
			supervise_stop(sup, "its terminal is gone");
		return;
	}
	/* The log has told it all. */
	(void)supervise_reload(sup, &counts, &text);
	buf_fini(&text);
}

/*
 * Those that ask for an end: of us, or, to the first process of a container,
 * of the machine (SIGPWR is lxc's, SIGRTMIN+3 systemd-nspawn's). SIGQUIT ends
 * whoever does not handle it, but not a first process, to which it would mean
 * nothing at all.
 */
static const char *
supervise_signal_name(int signum)
{
	if (signum == SIGRTMIN + 3)
		return "SIGRTMIN+3";
	switch (signum) {
	case SIGINT:
		return "SIGINT";
	case SIGPWR:
		return "SIGPWR";
	case SIGQUIT:
		return "SIGQUIT";
	default:
		return "SIGTERM";
	}
}

static void
supervise_on_signal(struct loop_io *io, uint32_t events)
{
	struct supervise *sup = loop_owner(io, struct supervise, signals);
	struct lifeline_msg reopen = { .type = LIFELINE_REOPEN };
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			supervise_reap(sup);
			break;
		case SIGHUP:
			supervise_on_hangup(sup);
			break;
		case SIGUSR1:
			feed_send(&sup->logger.feed, &reopen, -1);
			break;
		default:
			supervise_stop(sup,
			    supervise_signal_name((int)info.ssi_signo));
			break;
		}
	}
}

/* Descriptors 0 to 2 must be open, or pipes and sockets would take them. */
static void
supervise_open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* One descriptor for each child's output: take what we may have. */
static void
supervise_raise_nofile(struct supervise *sup)
{
	struct rlimit all;

	(void)getrlimit(RLIMIT_NOFILE, &sup->nofile);
	all = sup->nofile;
	all.rlim_cur = all.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &all);
}

int
supervise_lend_streams(struct supervise *sup, struct err *err_r)
{
	sup->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (sup->null_fd < 0) {
		err_set_errno(err_r, "/dev/null");
		return -1;
	}
	sup->router.out_fd = sup->access_fd;
	sup->router.err_fd = sup->router_fd;
	sup->logger.out_fd = sup->is_foreground ? STDOUT_FILENO : sup->null_fd;
	sup->logger.err_fd = sup->is_foreground ? STDERR_FILENO : sup->log_fd;
	return 0;
}

/* The pipes that are there for as long as we are. */
static int
supervise_open_streams(struct supervise *sup, struct err *err_r)
{
	sup->log_fd =
	    streams_open(&sup->streams, "msvc", "msvc", NULL, NULL, err_r);
	sup->access_fd =
	    streams_open(&sup->streams, "access", "", NULL, NULL, err_r);
	sup->router_fd =
	    streams_open(&sup->streams, "router", "router", NULL, NULL, err_r);
	if (sup->log_fd < 0 || sup->access_fd < 0 || sup->router_fd < 0)
		return -1;
	/* Neither we nor the router ever wait for the logger. */
	(void)fcntl(sup->log_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(sup->access_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(sup->router_fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(sup->access_fd, F_SETPIPE_SZ, SUPERVISE_ACCESS_PIPE);
	return supervise_lend_streams(sup, err_r);
}

static int
supervise_check_paths(const struct conf *conf, struct err *err_r)
{
	for (size_t i = 0; i < conf->service_count; i++) {
		if (rundir_check_service(conf->run_dir, conf->services[i]->name,
			err_r) < 0)
			return -1;
	}
	return 0;
}

/* Services are made here, so that an unknown user is refused at once. */
static int
supervise_add_services(struct supervise *sup, struct err *err_r)
{
	for (size_t i = 0; i < sup->conf->service_count; i++) {
		if (services_add(&sup->services, sup->conf->services[i],
			err_r) < 0)
			return -1;
	}
	groups_apply(&sup->services);
	return 0;
}

static int
supervise_open_service_sockets(struct supervise *sup, struct err *err_r)
{
	struct sockets added;

	sockets_init(&added);
	if (sockets_open(&sup->sockets, sup->conf, &added, err_r) < 0)
		return -1;
	sockets_commit(&sup->sockets, sup->conf, &added);
	return 0;
}

static int
supervise_open_sockets(struct supervise *sup, struct err *err_r)
{
	char path[4096];
	int sock;

	snprintf(path, sizeof(path), "%s/%s", sup->rundir.path,
	    LAUNCH_PATH_NOTIFY);
	if (listeners_open(&sup->listeners, &sup->conf->router, &sup->rundir,
		NULL, err_r) < 0 ||
	    supervise_open_service_sockets(sup, err_r) < 0)
		return -1;
	sup->notify_fd = notify_open(path, err_r);
	if (sup->notify_fd < 0 || loop_io_add(sup->loop, &sup->notify,
				      sup->notify_fd, EPOLLIN, err_r) < 0)
		return -1;
	sock = rundir_listen(&sup->rundir, LAUNCH_PATH_CONTROL, 0600, err_r);
	if (sock < 0)
		return -1;
	return control_server_init(&sup->control, sup, sock, err_r);
}

static int
supervise_open(struct supervise *sup, struct err *err_r)
{
	if (supervise_check_paths(sup->conf, err_r) < 0 ||
	    rundir_open(&sup->rundir, sup->conf->run_dir, err_r) < 0)
		return -1;
	/* They may have our ports. */
	if (sup->rundir.was_killed)
		sup->swept = sweep_run(sup->rundir.old_run);
	if (supervise_open_sockets(sup, err_r) < 0 ||
	    supervise_open_streams(sup, err_r) < 0)
		return -1;
	return supervise_add_services(sup, err_r);
}

static int
supervise_init(struct supervise *sup, const char *program, struct err *err_r)
{
	const char *slash = strrchr(program, '/');
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s",
	    slash != NULL ? (int)(slash - program) : 0, program);
	sup->program = strdup(program);
	if (sup->program == NULL) {
		err_set_errno(err_r, "supervisor");
		return -1;
	}
	sup->loop = loop_new(err_r);
	if (sup->loop == NULL)
		return -1;
	services_init(&sup->services, sup);
	sockets_init(&sup->sockets);
	schedules_init(&sup->schedules, sup);
	failures_init(&sup->failures, sup);
	reexec_init(&sup->reexec, sup);
	streams_init(&sup->streams, &sup->logger.feed);
	if (role_init(&sup->logger, sup, ROLE_LOGGER, dir, err_r) < 0 ||
	    role_init(&sup->router, sup, ROLE_ROUTER, dir, err_r) < 0)
		return -1;
	return 0;
}

struct supervise *
supervise_make(const char *program, struct err *err_r)
{
	struct supervise *sup = calloc(1, sizeof(*sup));

	if (sup == NULL) {
		err_set_errno(err_r, "supervisor");
		return NULL;
	}
	cgroups_init(&sup->cgroups);
	sup->notify_fd = sup->signal_fd = sup->null_fd = -1;
	sup->log_fd = sup->access_fd = sup->router_fd = -1;
	sup->rundir.lock_fd = -1;
	sup->control.sock = -1;
	sup->notify = (struct loop_io){ supervise_on_notify, -1, 0 };
	sup->signals = (struct loop_io){ supervise_on_signal, -1, 0 };
	sup->changed.fn = supervise_on_changed;
	sup->reap.fn = supervise_on_reap;
	if (supervise_init(sup, program, err_r) < 0)
		supervise_free(&sup);
	return sup;
}

int
supervise_new(struct conf **confp, const struct supervise_options *options,
    struct supervise **sup_r, struct err *err_r)
{
	char program[PATH_MAX];
	struct supervise *sup;

	*sup_r = NULL;
	supervise_open_stdio();
	/* Now, as long as its name is still the one that it was started by. */
	if (program_path(program) < 0)
		snprintf(program, sizeof(program), "%s/msvc",
		    options->program_dir);
	sup = supervise_make(program, err_r);
	if (sup == NULL)
		return -1;
	/* Services of other users must get through the directories we make. */
	(void)umask(022);
	sup->conf = *confp;
	sup->is_foreground = options->is_foreground;
	sup->is_colour = options->is_colour;
	sup->since = time(NULL);
	/* Without randomness fingerprints still work, only less secretly. */
	(void)!getrandom(&sup->poison_key, sizeof(sup->poison_key), 0);
	supervise_raise_nofile(sup);
	if (supervise_open(sup, err_r) < 0) {
		sup->conf = NULL; /* stays the caller's */
		supervise_free(&sup);
		return -1;
	}
	*confp = NULL;
	*sup_r = sup;
	return 0;
}

int
supervise_open_signals(struct supervise *sup, struct err *err_r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGPWR);
	sigaddset(&set, SIGRTMIN + 3);
	if (getpid() == 1)
		sigaddset(&set, SIGQUIT);
	(void)signal(SIGPIPE, SIG_IGN);
	/* An ignored SIGCHLD, inherited, would reap our children unseen. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sup->signal_fd < 0) {
		err_set_errno(err_r, "signalfd");
		return -1;
	}
	return loop_io_add(sup->loop, &sup->signals, sup->signal_fd, EPOLLIN,
	    err_r);
}

static void
supervise_finish(struct supervise *sup)
{
	supervise_kill_orphans();
	cgroups_close(&sup->cgroups);
	listeners_fini(&sup->listeners);
	sockets_fini(&sup->sockets);
	rundir_close(&sup->rundir);
	/* Only now: who is told "stopped" may start the next one at once. */
	control_server_finish(&sup->control);
}

/* All that we start inherits it, by which the logger finds what is left. */
static void
supervise_name_run(const struct supervise *sup)
{
	(void)setenv(LAUNCH_ENV_RUN, sup->rundir.run, 1);
}

int
supervise_run(struct supervise *sup)
{
	struct err err;

	parent_start(sup->loop);
	supervise_name_run(sup);
	if (supervise_open_signals(sup, &err) < 0) {
		log_errorx("supervisor: %s", err.text);
		return 1;
	}
	log_init(sup->log_fd, LOG_LEVEL_INFO);
	log_info("supervisor[%d]: started, msvc %s, %s", (int)getpid(),
	    MSVC_VERSION, sup->conf->path);
	if (sup->swept > 0)
		log_warnx("supervisor: killed what the one before has left, "
			  "%u processes",
		    sup->swept);
	supervise_enter_limits(sup);
	role_start(&sup->logger);
	role_start(&sup->router);
	supervise_changed(sup);
	return supervise_serve(sup);
}

int
supervise_serve(struct supervise *sup)
{
	struct err err;

	while (loop_run(sup->loop, &err) < 0 && sup->phase != SUPERVISE_DONE) {
		/* Nothing else can be done without epoll but to try again. */
		log_errorx("supervisor: %s", err.text);
		(void)usleep(100000);
	}
	supervise_finish(sup);
	return sup->exit_code;
}

void
supervise_free(struct supervise **supp)
{
	struct supervise *sup = *supp;

	if (sup == NULL)
		return;
	*supp = NULL;
	if (sup->loop != NULL) {
		parent_stop();
		control_server_fini(&sup->control);
		reexec_fini(&sup->reexec);
		failures_fini(&sup->failures);
		schedules_fini(&sup->schedules);
		services_fini(&sup->services);
		loop_io_drop(sup->loop, &sup->notify);
		loop_io_drop(sup->loop, &sup->signals);
		loop_task_drop(sup->loop, &sup->changed);
		loop_timer_drop(sup->loop, &sup->reap);
		role_fini(&sup->router);
		role_fini(&sup->logger);
		streams_fini(&sup->streams);
	}
	supervise_close(&sup->notify_fd);
	supervise_close(&sup->signal_fd);
	supervise_close(&sup->null_fd);
	supervise_close(&sup->log_fd);
	supervise_close(&sup->access_fd);
	supervise_close(&sup->router_fd);
	listeners_fini(&sup->listeners);
	sockets_fini(&sup->sockets);
	rundir_close(&sup->rundir);
	supervise_free_old_confs(sup);
	conf_free(&sup->conf);
	loop_free(&sup->loop);
	free(sup->program);
	free(sup);
}
