/*
 * enter: run a command on a demo host as if it were the caller's own child.
 *
 *     enter [-d] INIT DIRECTORY CGROUP COMMAND [ARGUMENT...]
 *
 * INIT is the host's first process, CGROUP the directory of its control group or "". The command gets the caller's
 * terminal, process group, session, environment and descriptors; DIRECTORY when the host has it, else "/".
 * With -d it becomes a child of the host's init, without terminal, session or descriptors of ours: a daemon.
 *
 * Why not nsenter: a process enters a pid namespace only by being born there, so a process of the caller's has to stay
 * behind and stand for the command. nsenter's stops itself whenever it sees the command stopped, also when both have
 * just been continued: one `fg` in four left the job stopped again. This one
 *   - stops with the command, by the same signal, and wakes it again;
 *   - passes on what was sent to it alone; what the terminal sends, the command has got by itself;
 *   - exits with the command's status or dies of its signal, and takes the command along when it is killed.
 * And it is born inside the host's control group: moving there later costs 15 ms (the kernel waits for all CPUs).
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the project's own programs exit with when they themselves failed. */
enum { EXIT_OURS = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static pid_t born(int cgroup)
{
    struct clone_args how = { .exit_signal = SIGCHLD };
    if (cgroup >= 0) {
        how.flags = CLONE_INTO_CGROUP;
        how.cgroup = cgroup;
    }
    pid_t pid = syscall(SYS_clone3, &how, sizeof how);
    if (pid < 0)
        err(EXIT_OURS, "demo-cluster: cannot start a process on the host");
    return pid;
}

static void become(char **command)
{
    execvp(command[0], command);
    int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    warn("demo-cluster: cannot execute %s", command[0]);
    _exit(status);
}

static void die_of(int signal_number)
{
    const struct rlimit none = { 0, 0 };
    sigset_t set;

    setrlimit(RLIMIT_CORE, &none); /* the core is the command's, not ours */
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number);
}

/* Stop like the command did, unless somebody has continued us both meanwhile: a stop would throw that SIGCONT away. */
static void stop_by(int signal_number)
{
    sigset_t set;

    sigpending(&set);
    if (sigismember(&set, SIGCONT))
        return;
    raise(signal_number);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL); /* here we stand still */
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A shell continues the whole group, so the command mostly wakes by itself; only when we alone were meant, wake it. */
static void wake(pid_t command)
{
    const struct timespec moment = { 0, 1000000 };

    for (int attempt = 0; attempt < 20; attempt++) {
        siginfo_t change = { 0 };
        if (waitid(P_PID, command, &change, WCONTINUED | WNOHANG) < 0 || change.si_pid == command)
            return;
        nanosleep(&moment, NULL);
    }
    kill(command, SIGCONT);
}

static void stand_for(pid_t command)
{
    bool stopped = false;
    sigset_t all;

    sigfillset(&all);
    for (;;) {
        siginfo_t received;
        int status, number = sigwaitinfo(&all, &received);

        if (number == SIGCONT) {
            /* One to spare would undo a stop that is on its way to the command. */
            if (stopped)
                wake(command);
            stopped = false;
        } else if (number > 0 && number != SIGCHLD) {
            /* A code above zero is the kernel's, for the whole group. The command's own `kill 0` it has seen too. */
            if (received.si_code <= 0 && received.si_pid != command)
                kill(command, number);
        }
        while (waitpid(command, &status, WNOHANG | WUNTRACED | WCONTINUED) == command) {
            if (WIFEXITED(status))
                _exit(WEXITSTATUS(status));
            if (WIFSIGNALED(status))
                die_of(WTERMSIG(status));
            stopped = WIFSTOPPED(status);
            if (stopped)
                stop_by(WSTOPSIG(status));
        }
    }
}

int main(int argc, char **argv)
{
    bool daemon = argc > 1 && strcmp(argv[1], "-d") == 0;
    if (daemon)
        argc--, argv++;
    if (argc < 5)
        errx(EXIT_OURS, "usage: enter [-d] INIT DIRECTORY CGROUP COMMAND [ARGUMENT...]");

    int cgroup = -1;
    if (argv[3][0] != '\0' && (cgroup = open(argv[3], O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        err(EXIT_OURS, "demo-cluster: cannot open %s", argv[3]);
    int host = syscall(SYS_pidfd_open, (pid_t)atoi(argv[1]), 0);
    if (host < 0 || setns(host, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP) < 0)
        err(EXIT_OURS, "demo-cluster: cannot enter the host of process %s", argv[1]);
    close(host);
    if (chdir(argv[2]) < 0 && chdir("/") < 0)
        err(EXIT_OURS, "demo-cluster: cannot change to /");

    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    sighandler_t children = signal(SIGCHLD, SIG_DFL); /* ignored, as a caller may leave it, it would hide the status */
    pid_t command = born(cgroup);
    if (command > 0) {
        if (!daemon)
            stand_for(command);
        waitpid(command, NULL, 0);
        return 0;
    }

    signal(SIGCHLD, children);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (daemon) {
        setsid();
        close_range(3, ~0U, 0);
        if (fork() != 0) /* orphaned inside the host, the daemon becomes a child of the host's init */
            _exit(0);
    } else {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    become(argv + 4);
}
