#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proc.h"
#include "report.h"
#include "show-stats.h"
#include "show-watch.h"
#include "values.h"

static const char *const limit_names[LIMITS] = {
    [LIMIT_RTPRIO] = "rtprio",   [LIMIT_NICE] = "nice",   [LIMIT_RTTIME] = "rttime",
    [LIMIT_MEMLOCK] = "memlock", [LIMIT_STACK] = "stack", [LIMIT_CORE] = "core",
};

static const char *const kinds[] = {[PROGRAM] = "program", [ENDED] = "ended", [KERNEL] = "kernel"};

/* A thread's name may be any bytes: what is not printable ASCII becomes a question mark. */
static char printable(char c)
{
    return c < ' ' || c > '~' ? '?' : c;
}

/* ---- JSON ---- */

static void put_string(const char *text)
{
    putchar('"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            putchar('\\');
        putchar(printable(*c));
    }
    putchar('"');
}

static void put_known_string(const char *text)
{
    if (*text)
        put_string(text);
    else
        fputs("null", stdout);
}

static void put_known_number(int64_t value)
{
    if (value < 0)
        fputs("null", stdout);
    else
        printf("%" PRId64, value);
}

static void put_known_bool(int value)
{
    fputs(value < 0 ? "null" : value ? "true" : "false", stdout);
}

static void put_limit(uint64_t value)
{
    if (value == RLIM_INFINITY)
        fputs("\"unlimited\"", stdout);
    else
        printf("%" PRIu64, value);
}

static void put_scheduling(const struct thread *thread)
{
    const struct attributes *has = &thread->scheduling;
    printf("\"policy\":\"%s\",\"priority\":%" PRIu32 ",\"nice\":%" PRId32 ",\"resetOnFork\":%s,\"deadline\":",
           policy_name((int)has->policy), has->priority, has->nice, has->flags & RESET_ON_FORK ? "true" : "false");
    if (has->policy == SCHED_DEADLINE)
        printf("{\"runtimeNs\":%" PRIu64 ",\"deadlineNs\":%" PRIu64 ",\"periodNs\":%" PRIu64 "}", has->runtime,
               has->deadline, has->period);
    else
        fputs("null", stdout);
    fputs(",\"cpus\":", stdout);
    put_known_string(thread->cpus);
    fputs(",\"timerSlackNs\":", stdout);
    put_known_number(thread->timer_slack);
}

static void put_limits(const struct process *process)
{
    for (size_t i = 0; i < LIMITS; i++) {
        printf("%s\"%s\":", i ? "," : "", limit_names[i]);
        if (!process->limits[i].known) {
            fputs("null", stdout);
            continue;
        }
        fputs("{\"soft\":", stdout);
        put_limit(process->limits[i].soft);
        fputs(",\"hard\":", stdout);
        put_limit(process->limits[i].hard);
        putchar('}');
    }
}

/* The name comes first and the threads last: rtnodectl, a shell script, puts its own name in place of the first and
   takes the values of the main thread from what is between. */
static void put_json(const struct process *process, const struct stats *stats, bool bins)
{
    fputs("{\"name\":", stdout);
    put_string(process->main->name);
    printf(",\"pid\":%d,\"kind\":\"%s\",", process->pid, kinds[process->kind]);
    put_scheduling(process->main);
    fputs(",\"lockedKiB\":", stdout);
    put_known_number(process->locked);
    fputs(",\"thpDisabled\":", stdout);
    put_known_bool(process->huge_pages < 0 ? -1 : !process->huge_pages);
    fputs(",\"noNewPrivileges\":", stdout);
    put_known_bool(process->no_new_privileges);
    fputs(",\"effectiveCapabilities\":", stdout);
    put_known_string(process->capabilities);
    fputs(",\"limits\":{", stdout);
    put_limits(process);
    fputs("},\"stats\":", stdout);
    if (stats)
        put_stats_json(stats, bins);
    else
        fputs("null", stdout);
    fputs(",\"threads\":[", stdout);
    for (size_t i = 0; i < process->count; i++) {
        printf("%s{\"tid\":%d,\"name\":", i ? "," : "", process->threads[i].tid);
        put_string(process->threads[i].name);
        putchar(',');
        put_scheduling(&process->threads[i]);
        putchar('}');
    }
    fputs("]}\n", stdout);
}

/* ---- Text ---- */

static const char *limit_text(bool known, uint64_t value, char text[24])
{
    if (!known)
        return "?";
    if (value == RLIM_INFINITY)
        return "unlimited";
    snprintf(text, 24, "%" PRIu64, value);
    return text;
}

static void print_limits(const struct process *process)
{
    static const char *const units[LIMITS] = {
        [LIMIT_RTTIME] = "us", [LIMIT_MEMLOCK] = "bytes", [LIMIT_STACK] = "bytes", [LIMIT_CORE] = "bytes",
    };
    printf("%-8s %20s %20s\n", "LIMIT", "SOFT", "HARD");
    for (size_t i = 0; i < LIMITS; i++) {
        char soft[24], hard[24];
        const struct limit *limit = &process->limits[i];
        printf("%-8s %20s %20s%s%s\n", limit_names[i], limit_text(limit->known, limit->soft, soft),
               limit_text(limit->known, limit->hard, hard), units[i] ? " " : "", units[i] ? units[i] : "");
    }
}

/* The name as it can be shown, in `text`. */
static const char *shown(const struct thread *thread, char text[sizeof thread->name])
{
    size_t i = 0;
    for (; thread->name[i]; i++)
        text[i] = printable(thread->name[i]);
    text[i] = '\0';
    return text;
}

static void print_thread(const struct thread *thread)
{
    char name[sizeof thread->name], slack[24] = "-";
    const struct attributes *has = &thread->scheduling;
    if (thread->timer_slack >= 0)
        snprintf(slack, sizeof slack, "%" PRId64, thread->timer_slack);
    printf("%7d %-15s %-8s %8" PRIu32 " %4" PRId32 " %-5s %8s %s", thread->tid, shown(thread, name),
           policy_name((int)has->policy), has->priority, has->nice, has->flags & RESET_ON_FORK ? "yes" : "no", slack,
           *thread->cpus ? thread->cpus : "?");
    if (has->policy == SCHED_DEADLINE)
        printf(" (runtime %" PRIu64 " ns, deadline %" PRIu64 " ns, period %" PRIu64 " ns)", has->runtime, has->deadline,
               has->period);
    putchar('\n');
}

static void print_text(const struct process *process, const struct stats *stats)
{
    char name[sizeof process->main->name];
    printf("%d %s: ", process->pid, shown(process->main, name));
    if (process->kind == PROGRAM)
        printf("%" PRId64 " KiB locked", process->locked);
    else
        fputs(process->kind == KERNEL ? "a thread of the kernel" : "it has ended", stdout);
    if (process->huge_pages >= 0)
        printf(", transparent huge pages %s", process->huge_pages ? "on" : "off");
    if (process->no_new_privileges > 0)
        fputs(", no new privileges", stdout);
    if (*process->capabilities)
        printf(", capabilities %s", process->capabilities);
    fputs("\n\n", stdout);
    print_limits(process);
    printf("\n%7s %-15s %-8s %8s %4s %-5s %8s %s\n", "TID", "NAME", "POLICY", "PRIORITY", "NICE", "RESET", "SLACK/NS",
           "CPUS");
    for (size_t i = 0; i < process->count; i++)
        print_thread(&process->threads[i]);
    if (stats) {
        putchar('\n');
        print_stats(stats);
    }
}

static pid_t parse_pid(const char *text)
{
    char *rest;
    errno = 0;
    long pid = strtol(text, &rest, 10);
    if (*text < '0' || *text > '9' || *rest || errno || pid < 1 || pid > INT_MAX)
        die(EXIT_LAUNCHER, "show: '%s' is no process id", text);
    return (pid_t)pid;
}

static bool show_one(pid_t pid, bool json, bool bins)
{
    static bool shown_before;
    static struct process process;
    static struct stats copy;
    if (!read_process(pid, &process)) {
        fprintf(stderr, "rt-launch: show: there is no process %d\n", pid);
        return false;
    }
    const struct stats *stats = process.kind == PROGRAM && find_stats(pid, &copy) ? &copy : NULL;
    if (json)
        put_json(&process, stats, bins);
    else {
        if (shown_before)
            putchar('\n');
        print_text(&process, stats);
    }
    shown_before = true;
    return true;
}

int show(int count, char **words)
{
    if (count == 1 && !strcmp(words[0], "--watch"))
        show_watch();
    bool json = count > 0 && !strcmp(words[0], "--json"), all = true;
    bool bins = json && count > 1 && !strcmp(words[1], "--bins");
    int first = json + bins;
    if (count < 1 + first)
        die(EXIT_LAUNCHER, "show: the usage is rt-launch show [--json [--bins]] PID... | show --watch");
    /* A word that is no process id is a mistake before anything is printed. */
    for (int i = first; i < count; i++)
        parse_pid(words[i]);
    for (int i = first; i < count; i++)
        if (!show_one(parse_pid(words[i]), json, bins))
            all = false;
    if (fflush(stdout) || ferror(stdout))
        die(EXIT_LAUNCHER, "show: write: standard output: %s", strerror(errno));
    return all ? 0 : 1;
}
