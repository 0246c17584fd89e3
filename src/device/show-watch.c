/*
 * One process that starts no others and asks for no memory once it runs: it looks at files of the kernel and at the
 * statistics that nodes publish, which anybody may read.
 */
#include "show-watch.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "watched-nodes.h"

enum { MAX_PIDS = 32, LEAST_FOR_P99 = 100 };

/* ---- The line ---- */

static char line[MAX_NODES * 768];
static size_t length;

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void put(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int written = vsnprintf(line + length, sizeof line - length, format, values);
    va_end(values);
    if (written < 0 || (size_t)written >= sizeof line - length)
        die(EXIT_LAUNCHER, "show: more is to be said of the nodes than there is room for");
    length += (size_t)written;
}

static void send_line(void)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t written = write(STDOUT_FILENO, line + sent, length - sent);
        if (written < 0 && errno != EINTR)
            die(EXIT_LAUNCHER, "show: write: standard output: %s", strerror(errno));
        if (written > 0)
            sent += (size_t)written;
    }
    length = 0;
}

/* ---- One look ---- */

/* Wake-ups since the last look, microseconds; 0 when there are none. */
struct times {
    uint64_t count;
    double p50, p99, max;
};

/*
 * What was added to a histogram, which becomes the one of the last look. As in histogram_quantile a time is its bin's limit,
 * the longest of all at most; the longest since the last look is exact when it is the longest of all.
 */
static struct times added(const struct histogram *now, struct histogram *before)
{
    struct times times = {.count = now->count - before->count};
    uint64_t half = (times.count + 1) / 2, most = times.count - times.count / 100, seen = 0;
    double longest = (double)now->max / 1000;
    for (unsigned bin = 0; bin < BINS && seen < times.count; bin++) {
        uint64_t count = now->bins[bin] - before->bins[bin];
        if (!count)
            continue;
        before->bins[bin] = now->bins[bin];
        double limit = bin < BINS - 1 && bin_limit(bin) < longest ? bin_limit(bin) : longest;
        if (seen < half && seen + count >= half)
            times.p50 = limit;
        if (seen < most && seen + count >= most)
            times.p99 = limit;
        seen += count;
        times.max = limit;
    }
    if (now->max > before->max)
        times.max = longest;
    before->count = now->count;
    before->max = now->max;
    return times;
}

static void put_stats(struct node *node, bool first)
{
    static struct stats copy;
    if (!node->stats || stats_copy_wakeups(node->stats, &copy)) {
        put("null");
        return;
    }
    put("{\"state\":\"%s\",\"periodUs\":", copy.state == STATS_RUNNING ? "running" : "ended");
    if (copy.period)
        put("%.3f", (double)copy.period / 1000);
    else
        put("null");
    put(",\"cycles\":%" PRIu64 ",\"overruns\":%" PRIu64 ",\"minorFaults\":%" PRIu64 ",\"majorFaults\":%" PRIu64
        ",\"involuntarySwitches\":%" PRIu64 ",\"collections\":%" PRIu64 ",\"wakeupMaxUs\":%.3f,\"last\":",
        copy.cycles, copy.overruns, copy.minor_faults, copy.major_faults, copy.involuntary_switches, copy.collections,
        (double)copy.wakeup.max / 1000);
    struct times last = added(&copy.wakeup, &node->wakeup);
    if (first)
        put("null");
    else {
        put("{\"cycles\":%" PRIu64 ",\"overruns\":%" PRIu64 ",\"wakeupUs\":", copy.cycles - node->cycles,
            copy.overruns - node->overruns);
        if (!last.count)
            put("null");
        /* The p99 of fewer would be the longest one. */
        else if (last.count < LEAST_FOR_P99)
            put("{\"p50\":%g,\"p99\":null,\"max\":%.3f}", last.p50, last.max);
        else
            put("{\"p50\":%g,\"p99\":%g,\"max\":%.3f}", last.p50, last.p99, last.max);
        put("}");
    }
    put("}");
    node->cycles = copy.cycles;
    node->overruns = copy.overruns;
}

/* The node's main process: the one that publishes, else the oldest; 0 for none. */
static pid_t find_pid(struct node *node)
{
    char text[512], *rest = text;
    if (!read_group(node, &node->group, "cgroup.procs", text, sizeof text))
        return 0;
    pid_t oldest = 0;
    for (int i = 0; i < MAX_PIDS && *rest; i++) {
        pid_t pid = (pid_t)strtol(rest, &rest, 10);
        oldest = oldest ? oldest : pid;
        if (node->stats && node->stats->pid == (uint32_t)pid)
            return pid;
        rest += *rest == '\n';
    }
    /* What the one before left is not this one's. */
    forget_stats(node);
    return oldest;
}

static void put_cpu(struct node *node, bool first, double seconds)
{
    char text[256];
    uint64_t used;
    put(",\"cpuPercent\":");
    if (!read_group(node, &node->cpu_stat, "cpu.stat", text, sizeof text) || sscanf(text, "usage_usec %" SCNu64, &used) != 1) {
        put("null");
        return;
    }
    if (first || used < node->cpu)
        put("null");
    else
        put("%.2f", (double)(used - node->cpu) / (seconds * 10000));
    node->cpu = used;
}

/* Resident memory (proc_pid_statm(5)). */
static void put_memory(struct node *node)
{
    char path[PATH_MAX], text[128];
    long pages;
    snprintf(path, sizeof path, "%s/proc/%d/statm", watched_root, node->pid);
    put(",\"memoryKiB\":");
    if (read_kept(&node->statm, path, text, sizeof text) && sscanf(text, "%*d %ld", &pages) == 1)
        put("%ld", pages * (sysconf(_SC_PAGESIZE) / 1024));
    else
        put("null");
}

static void put_node(struct node *node, double seconds)
{
    ino_t before = node->file;
    pid_t pid = 0;
    if (node->grouped) {
        map_stats(node);
        pid = find_pid(node);
    } else
        forget_stats(node);
    bool first = pid != node->pid || seconds <= 0;
    if (pid != node->pid)
        close_kept(&node->statm);
    node->pid = pid;
    put("{\"name\":\"%s\",\"pid\":", node->name);
    if (!pid) {
        put("null,\"cpuPercent\":null,\"memoryKiB\":null,\"stats\":null}");
        return;
    }
    put("%d", pid);
    put_cpu(node, first, seconds);
    put_memory(node);
    put(",\"stats\":");
    put_stats(node, first || node->file != before);
    put("}");
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void show_watch(void)
{
    const char *named = getenv("RTNODE_ROOT");
    watched_root = named ? named : "";
    struct timespec next;
    double before = 0;
    for (clock_gettime(CLOCK_MONOTONIC, &next);;) {
        double time = now(), seconds = before > 0 ? time - before : 0;
        before = time;
        list_nodes();
        put("{\"seconds\":%.3f,\"nodes\":[", seconds);
        bool any = false;
        for (size_t i = 0; i < MAX_NODES; i++) {
            if (!*watched[i].name)
                continue;
            put("%s", any ? "," : "");
            put_node(&watched[i], seconds);
            any = true;
        }
        put("]}\n");
        send_line();
        /* Who reads slowly gets fewer looks, and none late. */
        next.tv_sec++;
        if (now() > (double)next.tv_sec)
            clock_gettime(CLOCK_MONOTONIC, &next);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
            ;
    }
}
