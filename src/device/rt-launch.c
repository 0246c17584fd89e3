/*
 * rt-launch: gives itself scheduling, CPUs, limits and memory locking, reads them back from the kernel, and becomes the
 * program. The order: everything that can be refused without a change first; limits, since the scheduler asks them;
 * affinity, so that the time on the program's CPUs starts there; scheduling after all that takes time of its own; the
 * latency descriptor last, since its write wakes the other CPUs; exec.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "capability.h"
#include "options.h"
#include "program.h"
#include "report.h"

static void set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1))
        die(EXIT_LAUNCHER, "setenv: %s: %s", name, strerror(errno));
}

static void set_number(const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    set_variable(name, text);
}

/* librtnode.so in the folder of this executable. */
static char *own_library(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        die(EXIT_LAUNCHER, "readlink: /proc/self/exe: %s", strerror(errno));
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    char *library;
    if (asprintf(&library, "%s/librtnode.so", path) < 0)
        die(EXIT_LAUNCHER, "out of memory");
    return library;
}

/* mlockall(2) is lost on exec: the library that the loader puts into the program takes the lock there. */
static void preload(const struct options *options)
{
    const char *library = options->library ? options->library : own_library();
    /* ld.so(8) only warns when it cannot load the file, and separates at colons and spaces. */
    bool separated = strpbrk(library, ": ") != NULL;
    if (separated || access(library, R_OK)) {
        problem("%s: memory cannot be locked: %s", library, separated ? "a colon or space in its path" : strerror(errno));
        return;
    }
    const char *others = getenv("LD_PRELOAD");
    char *list;
    if (asprintf(&list, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
        die(EXIT_LAUNCHER, "out of memory");
    set_variable("LD_PRELOAD", list);
    set_variable("RTNODE_LOCK", only_warns() ? "warn" : "strict");
    set_number("RTNODE_STACK", options->stack);
    set_number("RTNODE_HEAP", options->heap);
}

static void set_environment(const struct options *options)
{
    for (size_t i = 0; i < options->env.count; i++)
        if (putenv(options->env.items[i]))
            die(EXIT_LAUNCHER, "putenv: %s", strerror(errno));
    set_variable("RTNODE_LAUNCHED", "1");
    if (options->rttime && options->startup > options->rttime)
        set_number("RTNODE_RTTIME", rttime_of(options->rttime).soft);
    if (options->lock_memory)
        preload(options);
}

int main(int argc, char **argv)
{
    struct options options;
    read_options(&options, argc, argv);
    if (options.warn)
        warn_only();
    char *program = find_program(options.argv.items[0]);
    if (options.require_rt_kernel)
        check_rt_kernel();
    if (options.lock_memory)
        check_preloadable(program);
    set_environment(&options);
    apply_limits(&options);
    apply_affinity(&options);
    apply_scheduling(&options);
    apply_latency(&options);
    drop_ambient();
    execv(program, options.argv.items);
    /* It was found: what is missing is its interpreter or loader. */
    die(EXIT_CANNOT_EXECUTE, "execve: %s: %s%s", program, strerror(errno),
        errno == ENOENT ? " (its interpreter or loader is missing)" : "");
}
