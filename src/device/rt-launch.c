/*
 * rt-launch: gives itself scheduling, CPUs, limits and memory locking, reads them back from the kernel, and becomes the
 * program. The order: everything that can be refused without a change first; limits, since the scheduler asks them;
 * affinity, so that the time on the program's CPUs starts there; scheduling after all that takes time of its own; the
 * latency descriptor last, since its write wakes the other CPUs; exec.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "capability.h"
#include "environment.h"
#include "options.h"
#include "program.h"
#include "report.h"
#include "show.h"

/* Relative paths, the program's too, start there. Another folder is another program: never a warning only. */
static void change_folder(const struct options *options)
{
    if (options->folder && chdir(options->folder))
        die(EXIT_LAUNCHER, "chdir: %s: %s", options->folder, strerror(errno));
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "show"))
        return show(argc - 2, argv + 2);
    struct options options;
    read_options(&options, argc, argv);
    if (options.warn)
        warn_only();
    change_folder(&options);
    char *program = find_program(options.argv.items[0]);
    if (options.require_rt_kernel)
        check_rt_kernel();
    if (options.lock_memory)
        check_preloadable(program);
    apply_environment(&options);
    apply_limits(&options);
    apply_huge_pages(&options);
    apply_affinity(&options);
    apply_scheduling(&options);
    apply_latency(&options);
    drop_ambient();
    execv(program, options.argv.items);
    /* It was found: what is missing is its interpreter or loader. */
    die(EXIT_CANNOT_EXECUTE, "execve: %s: %s%s", program, strerror(errno),
        errno == ENOENT ? " (its interpreter or loader is missing)" : "");
}
