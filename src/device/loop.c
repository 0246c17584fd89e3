/* The loop on absolute time, and what is counted in it. */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "rtnode.h"
#include "service.h"
#include "stats.h"

/* The longest sleep at a stretch, nanoseconds. */
enum { NAP = 100 * 1000 * 1000 };

static struct {
    bool stepping; /* a step is under way: it began at `woken` */
    bool waiting;  /* `due` is still to come */
    enum rtnode_overrun overrun;
    uint64_t period, due, woken;
    uint64_t missed; /* not yet told: kept over a wait that a signal ended */
    struct rusage start;
    int cpu;
} loop;

/* In memory of its own until there is a file, so that nothing below has to ask. */
static struct stats unpublished;
static struct stats *stats = &unpublished;

uint64_t rtnode_now(void)
{
    struct timespec time;
    /* It has no error with this clock and a valid address (clock_gettime(2)). */
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void begin_write(void)
{
    __atomic_store_n(&stats->sequence, stats->sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_write(void)
{
    stats->lost_lines = log_lost();
    __atomic_store_n(&stats->sequence, stats->sequence + 1, __ATOMIC_RELEASE);
}

/*
 * Begins to write, and writes what the kernel has counted since the beginning, for this thread alone: RUSAGE_SELF would
 * add those of a runtime. It is asked before: readers wait for whoever writes.
 */
static void begin_counting_write(void)
{
    struct rusage now;
    bool counted = stats->state == STATS_RUNNING && !getrusage(RUSAGE_THREAD, &now);
    int cpu = sched_getcpu();
    begin_write();
    if (counted) {
        stats->minor_faults = (uint64_t)(now.ru_minflt - loop.start.ru_minflt);
        stats->major_faults = (uint64_t)(now.ru_majflt - loop.start.ru_majflt);
        stats->involuntary_switches = (uint64_t)(now.ru_nivcsw - loop.start.ru_nivcsw);
        stats->migrations += cpu != loop.cpu;
    }
    loop.cpu = cpu;
}

int rtnode_count_begin(const char *name, const char *identity)
{
    if (stats->state == STATS_RUNNING)
        return -EALREADY;
    struct stats *file;
    int error = stats_create(name, identity, &file);
    stats = error ? &unpublished : file;
    /* What was run before, to warm up, is in there. */
    if (error)
        memset(stats, 0, sizeof *stats);
    stats->began = rtnode_now();
    stats->state = STATS_RUNNING;
    loop.cpu = sched_getcpu();
    return getrusage(RUSAGE_THREAD, &loop.start) ? -errno : error;
}

int rtnode_loop_begin(uint64_t period, enum rtnode_overrun overrun)
{
    if (period == 0 || period > INT64_MAX || (unsigned)overrun > RTNODE_STOP)
        return -EINVAL;
    loop.period = period;
    loop.overrun = overrun;
    loop.due = rtnode_now() + period;
    loop.waiting = true;
    loop.stepping = false;
    loop.missed = 0;
    begin_write();
    stats->period = period;
    end_write();
    return 0;
}

/* Moves the due time on after a step that ended at `now`. How many steps do not begin in their own period. */
static uint64_t advance(uint64_t now)
{
    loop.due += loop.period;
    if (now < loop.due)
        return 0;
    if (loop.overrun != RTNODE_SKIP)
        return 1;
    uint64_t missed = (now - loop.due) / loop.period + 1;
    loop.due += missed * loop.period;
    return missed;
}

static uint64_t end_step(void)
{
    uint64_t now = rtnode_now();
    uint64_t missed = advance(now);
    /* A step that is begun late does not wait: it says nothing of how the kernel wakes. */
    loop.waiting = now < loop.due;
    loop.stepping = false;
    begin_write();
    histogram_add(&stats->execution, now - loop.woken);
    stats->cycles++;
    stats->overruns += missed;
    end_write();
    return missed;
}

static void begin_step(void)
{
    loop.woken = rtnode_now();
    loop.stepping = true;
    begin_counting_write();
    if (loop.waiting)
        histogram_add(&stats->wakeup, loop.woken - loop.due);
    end_write();
}

/*
 * A signal that comes between the caller's last look at what its handler sets and the system call does not end the sleep.
 * Long ones are taken in naps, after which the caller looks again.
 */
static int sleep_until_due(void)
{
    uint64_t until = loop.due;
    if (loop.period > NAP) {
        uint64_t nap = rtnode_now() + NAP;
        until = nap < until ? nap : until;
    }
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
    int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    return error ? -error : until < loop.due ? -EINTR : 0;
}

int rtnode_loop_wait(void)
{
    if (!loop.period)
        return -EINVAL;
    if (loop.stepping) {
        loop.missed += end_step();
        if (loop.missed && loop.overrun == RTNODE_STOP)
            return -ETIME;
    }
    watchdog_wait_until(loop.due);
    int error = loop.waiting ? sleep_until_due() : 0;
    if (error)
        return error;
    begin_step();
    watchdog_alive();
    int missed = loop.missed < INT32_MAX ? (int)loop.missed : INT32_MAX;
    loop.missed = 0;
    return missed;
}

void rtnode_alive(void)
{
    begin_counting_write();
    stats->cycles++;
    end_write();
    watchdog_alive();
}

void rtnode_count_collection(void)
{
    if (stats->state != STATS_RUNNING)
        return;
    begin_write();
    stats->collections++;
    end_write();
}

void rtnode_count_garbage(uint64_t objects)
{
    begin_write();
    stats->garbage = objects;
    end_write();
}

static struct rtnode_times sum_up(const struct histogram *histogram)
{
    return (struct rtnode_times){
        .p50 = histogram_quantile(histogram, 0.5),
        .p99 = histogram_quantile(histogram, 0.99),
        .p999 = histogram_quantile(histogram, 0.999),
        .max = (double)histogram->max / 1000,
    };
}

int rtnode_count_end(struct rtnode_summary *summary)
{
    if (stats->state != STATS_RUNNING)
        return -EINVAL;
    begin_counting_write();
    stats->state = STATS_ENDED;
    end_write();
    loop.period = 0;
    if (summary)
        *summary = (struct rtnode_summary){
            .cycles = stats->cycles,
            .overruns = stats->overruns,
            .minor_faults = stats->minor_faults,
            .major_faults = stats->major_faults,
            .involuntary_switches = stats->involuntary_switches,
            .migrations = stats->migrations,
            .collections = stats->collections,
            .wakeup = sum_up(&stats->wakeup),
            .execution = sum_up(&stats->execution),
        };
    return 0;
}
