/*
 * One process that starts no others and asks for no memory once it runs: it looks at files of the kernel and at the
 * statistics that nodes publish, which anybody may read.
 */
#include "show-watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "stats.h"

enum { MAX_NODES = 64, MAX_PIDS = 32, LEAST_FOR_P99 = 100 };

/* What was seen of a node the last time. Files of the kernel stay open: to open one costs more than to read it. */
struct node {
    char name[64]; /* empty: the place is free */
    bool listed, grouped; /* it is in the release; its service has a control group, so something runs */
    pid_t pid;            /* 0: none */
    int group, cpu_stat, statm; /* files; -1: not open */
    uint64_t cpu;               /* microseconds that its service has run, of all its processes */
    const struct stats *stats;
    ino_t file; /* that is mapped at stats */
    uint64_t cycles, overruns;
    struct histogram wakeup;
};

static struct node nodes[MAX_NODES];

/* Put before every path, for tests; as rtnodectl has it. */
static const char *root;

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

/* ---- Files ---- */

static void close_kept(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = -1;
}

/* The beginning of a file as text, which is opened when it is not yet; false when it cannot be read, for instance since
   its owner is gone. */
static bool read_kept(int *file, const char *path, char *text, size_t size)
{
    for (;;) {
        bool kept = *file >= 0;
        if (!kept)
            *file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t count = *file < 0 ? -1 : pread(*file, text, size - 1, 0);
        if (count >= 0) {
            text[count] = '\0';
            return true;
        }
        close_kept(file);
        /* It was one that is no more; there may be another by that name. */
        if (!kept)
            return false;
    }
}

/* A file's or a folder's name without what is before and after the node's; NULL when it is not that of a node. */
static const char *node_name(const char *name, const char *before, const char *after, size_t *size)
{
    size_t start = strlen(before), end = strlen(name), ending = strlen(after);
    if (end <= start + ending || strncmp(name, before, start) || strcmp(name + end - ending, after))
        return NULL;
    *size = end - start - ending;
    bool valid = *size < sizeof nodes->name && strspn(name + start, "abcdefghijklmnopqrstuvwxyz0123456789-") >= *size;
    return valid ? name + start : NULL;
}

static struct node *find_node(const char *name, size_t size)
{
    for (size_t i = 0; i < MAX_NODES; i++)
        if (*nodes[i].name && strlen(nodes[i].name) == size && !memcmp(nodes[i].name, name, size))
            return &nodes[i];
    return NULL;
}

static void forget_stats(struct node *node)
{
    if (node->stats)
        munmap((void *)(uintptr_t)node->stats, sizeof *node->stats);
    node->stats = NULL;
    node->file = 0;
    node->cycles = node->overruns = 0;
    memset(&node->wakeup, 0, sizeof node->wakeup);
}

static void take_conf(const char *file)
{
    size_t size;
    const char *name = node_name(file, "", ".conf", &size);
    if (!name)
        return;
    struct node *node = find_node(name, size);
    for (size_t i = 0; i < MAX_NODES && !node; i++)
        if (!*nodes[i].name) {
            node = &nodes[i];
            memcpy(node->name, name, size);
            node->name[size] = '\0';
            node->group = node->cpu_stat = node->statm = -1;
        }
    if (node)
        node->listed = true;
}

static void take_group(const char *folder)
{
    size_t size;
    const char *name = node_name(folder, "rtnode@", ".service", &size);
    struct node *node = name ? find_node(name, size) : NULL;
    if (node)
        node->grouped = true;
}

static void forget(struct node *node)
{
    forget_stats(node);
    close_kept(&node->group);
    close_kept(&node->cpu_stat);
    close_kept(&node->statm);
    node->name[0] = '\0';
    node->pid = 0;
}

static void read_folder(const char *path, void (*take)(const char *name))
{
    _Alignas(struct dirent64) char entries[4096];
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t count;
    /* readdir(3) would ask for memory. */
    while (folder >= 0 && (count = getdents64(folder, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < count;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            take(entry->d_name);
            at += entry->d_reclen;
        }
    if (folder >= 0)
        close(folder);
}

/* The nodes of the active release; a deploy puts another folder in its place. */
static void list_nodes(void)
{
    static struct stat before;
    struct stat status;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/opt/rtnode/current/nodes", root);
    if (stat(path, &status))
        memset(&status, 0, sizeof status);
    if (status.st_ino == before.st_ino && status.st_mtim.tv_sec == before.st_mtim.tv_sec &&
        status.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
        return;
    before = status;
    for (size_t i = 0; i < MAX_NODES; i++)
        nodes[i].listed = false;
    read_folder(path, take_conf);
    for (size_t i = 0; i < MAX_NODES; i++)
        if (*nodes[i].name && !nodes[i].listed)
            forget(&nodes[i]);
}

#define GROUPS "/sys/fs/cgroup/system.slice/system-rtnode.slice"

/* Which nodes have processes. Asked for all at once: a file that is not there costs as much as one that is. */
static void list_groups(void)
{
    char path[PATH_MAX];
    bool all = true;
    for (size_t i = 0; i < MAX_NODES; i++)
        all = all && (!*nodes[i].name || nodes[i].pid);
    /* Of those that ran the last time, their own files tell. */
    if (all)
        return;
    for (size_t i = 0; i < MAX_NODES; i++)
        nodes[i].grouped = false;
    snprintf(path, sizeof path, "%s" GROUPS, root);
    read_folder(path, take_group);
}

/* A file of the control group that systemd gives the node's service. */
static bool read_group(const struct node *node, int *file, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s" GROUPS "/rtnode@%s.service/%s", root, node->name, name);
    return read_kept(file, path, text, size);
}

/* The statistics that the node publishes now; NULL for none. A start of the node makes a new file. */
static void map_stats(struct node *node)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%s/run/rtnode/%s.stats", root, node->name);
    if (node->stats && !lstat(path, &status) && status.st_ino == node->file)
        return;
    forget_stats(node);
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return;
    /* A shorter file would end this process with SIGBUS. */
    if (!fstat(file, &status) && S_ISREG(status.st_mode) && status.st_size == (off_t)sizeof *node->stats) {
        void *memory = mmap(NULL, sizeof *node->stats, PROT_READ, MAP_SHARED, file, 0);
        if (memory != MAP_FAILED) {
            node->stats = memory;
            node->file = status.st_ino;
        }
    }
    close(file);
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
    snprintf(path, sizeof path, "%s/proc/%d/statm", root, node->pid);
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
    root = named ? named : "";
    struct timespec next;
    double before = 0;
    for (clock_gettime(CLOCK_MONOTONIC, &next);;) {
        double time = now(), seconds = before > 0 ? time - before : 0;
        before = time;
        list_nodes();
        list_groups();
        put("{\"seconds\":%.3f,\"nodes\":[", seconds);
        bool any = false;
        for (size_t i = 0; i < MAX_NODES; i++) {
            if (!*nodes[i].name)
                continue;
            put("%s", any ? "," : "");
            put_node(&nodes[i], seconds);
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
