#include "show-stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_file(int folder, const char *name, pid_t pid, struct stats *copy)
{
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return false;
    struct stat status;
    bool found = false;
    /* A shorter file would end this process with SIGBUS. */
    if (!fstat(file, &status) && S_ISREG(status.st_mode) && status.st_size == (off_t)sizeof *copy) {
        struct stats *stats = mmap(NULL, sizeof *stats, PROT_READ, MAP_SHARED, file, 0);
        if (stats != MAP_FAILED) {
            found = stats->pid == (uint32_t)pid && !stats_copy(stats, copy);
            munmap(stats, sizeof *stats);
        }
    }
    close(file);
    return found;
}

static bool look_in(const char *path, pid_t pid, struct stats *copy)
{
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    bool found = false;
    for (const struct dirent *entry; !found && (entry = readdir(folder));) {
        const char *ending = strrchr(entry->d_name, '.');
        found = ending && !strcmp(ending, ".stats") && read_file(dirfd(folder), entry->d_name, pid, copy);
    }
    closedir(folder);
    return found;
}

bool find_stats(pid_t pid, struct stats *copy)
{
    /* The places of runtime-dir.h, for the user whose process it is. */
    const char *named = getenv("RTNODE_RUNTIME_DIR");
    if (named && *named)
        return look_in(named, pid, copy);
    if (look_in("/run/rtnode", pid, copy))
        return true;
    char path[64];
    struct stat owner;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &owner))
        return false;
    snprintf(path, sizeof path, "/dev/shm/rtnode-%u", owner.st_uid);
    return look_in(path, pid, copy);
}

static void put_bins(const struct histogram *times)
{
    fputs(",\"bins\":[", stdout);
    const char *between = "";
    for (unsigned bin = 0; bin < BINS; bin++) {
        if (!times->bins[bin])
            continue;
        printf("%s[%.0f,%" PRIu64 "]", between, bin_limit(bin), times->bins[bin]);
        between = ",";
    }
    putchar(']');
}

static void put_times(const char *name, const struct histogram *times, bool bins)
{
    printf(",\"%s\":", name);
    if (!times->count) {
        fputs("null", stdout);
        return;
    }
    printf("{\"p50\":%g,\"p99\":%g,\"p999\":%g,\"max\":%.3f", histogram_quantile(times, 0.5), histogram_quantile(times, 0.99),
           histogram_quantile(times, 0.999), (double)times->max / 1000);
    if (bins)
        put_bins(times);
    putchar('}');
}

void put_stats_json(const struct stats *stats, bool bins)
{
    char identity[sizeof stats->identity];
    size_t i = 0;
    /* Without what JSON would have to escape; nothing of it belongs into an identity. */
    for (const char *c = stats->identity; i < sizeof identity - 1 && *c; c++)
        identity[i++] = *c < ' ' || *c > '~' || *c == '"' || *c == '\\' ? '?' : *c;
    identity[i] = '\0';
    printf("{\"uniqueId\":\"%s\",\"state\":\"%s\",\"periodUs\":", identity,
           stats->state == STATS_RUNNING ? "running" : "ended");
    if (stats->period)
        printf("%.3f", (double)stats->period / 1000);
    else
        fputs("null", stdout);
    printf(",\"cycles\":%" PRIu64 ",\"overruns\":%" PRIu64 ",\"minorFaults\":%" PRIu64 ",\"majorFaults\":%" PRIu64
           ",\"involuntarySwitches\":%" PRIu64 ",\"migrations\":%" PRIu64 ",\"collections\":%" PRIu64
           ",\"garbage\":%" PRIu64 ",\"lostLogLines\":%" PRIu64,
           stats->cycles, stats->overruns, stats->minor_faults, stats->major_faults, stats->involuntary_switches,
           stats->migrations, stats->collections, stats->garbage, stats->lost_lines);
    put_times("wakeupUs", &stats->wakeup, bins);
    put_times("executionUs", &stats->execution, bins);
    putchar('}');
}

static void print_times(const char *name, const struct histogram *times)
{
    if (times->count)
        printf("%-9s p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f us\n", name, histogram_quantile(times, 0.5),
               histogram_quantile(times, 0.99), histogram_quantile(times, 0.999), (double)times->max / 1000);
}

void print_stats(const struct stats *stats)
{
    printf("%-9s %" PRIu64 ", %" PRIu64 " overruns%s\n", "cycles", stats->cycles, stats->overruns,
           stats->state == STATS_RUNNING ? "" : " (the loop has ended)");
    print_times("wake-up", &stats->wakeup);
    print_times("step", &stats->execution);
    printf("%-9s %" PRIu64 " minor and %" PRIu64 " major page faults, %" PRIu64 " involuntary switches, %" PRIu64
           " migrations, %" PRIu64 " collections\n",
           "in it", stats->minor_faults, stats->major_faults, stats->involuntary_switches, stats->migrations,
           stats->collections);
}
