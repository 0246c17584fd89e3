#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cpus.h"
#include "notify.h"
#include "rtnode.h"

/* STACK is more than the least that any architecture asks for: 128 KiB on arm64 (PTHREAD_STACK_MIN). */
enum { TICK_MS = 50, STACK = 256 * 1024 };

/* The loop writes these, the helper reads them. */
static uint64_t beats, asleep_until;
static bool ending;

static struct {
    pthread_t thread;
    sem_t leave;
    bool runs;
    uint64_t watchdog; /* nanoseconds between two signs of life; 0: systemd wants none */
    int notify;        /* a socket, or -1 */
} helper = {.notify = -1};

void watchdog_alive(void)
{
    __atomic_store_n(&beats, beats + 1, __ATOMIC_RELAXED);
}

void watchdog_wait_until(uint64_t due)
{
    __atomic_store_n(&asleep_until, due, __ATOMIC_RELAXED);
}

/* Half of what systemd allows, as sd_watchdog_enabled(3) recommends. */
static uint64_t watchdog_interval(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!us || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(us, NULL, 10) * 1000 / 2;
}

/* Feeds the watchdog when the loop has gone on since the last time, or is not late for its next step. */
static void feed_watchdog(void)
{
    static uint64_t fed_at, fed_beats;
    uint64_t now = rtnode_now();
    if (!helper.watchdog || now - fed_at < helper.watchdog)
        return;
    uint64_t seen = __atomic_load_n(&beats, __ATOMIC_RELAXED);
    bool well = seen != fed_beats || now < __atomic_load_n(&asleep_until, __ATOMIC_RELAXED) ||
                __atomic_load_n(&ending, __ATOMIC_RELAXED);
    if (!well)
        return;
    notify_send(helper.notify, "WATCHDOG=1");
    fed_at = now;
    fed_beats = seen;
}

/* CPUs that are isolated are the loops': where there are others, this thread keeps to those. */
static void keep_off_isolated(void)
{
    cpu_set_t cpus;
    if (housekeeping_cpus(&cpus))
        (void)sched_setaffinity(0, sizeof cpus, &cpus);
}

static void *help(void *unused)
{
    keep_off_isolated();
    for (;;) {
        log_drain();
        feed_watchdog();
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        if (!sem_clockwait(&helper.leave, CLOCK_MONOTONIC, &until))
            return unused;
    }
}

/* Not real-time, whatever the main thread is; with all signals blocked, which are for that one. */
static int start_helper(void)
{
    pthread_attr_t attributes;
    struct sched_param priority = {0};
    sigset_t all, before;
    sigfillset(&all);
    int error = pthread_attr_init(&attributes);
    if (error)
        return -error;
    if (sem_init(&helper.leave, 0, 0))
        error = errno;
    if (!error)
        error = pthread_attr_setstacksize(&attributes, STACK);
    if (!error)
        error = pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    if (!error)
        error = pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
    if (!error)
        error = pthread_attr_setschedparam(&attributes, &priority);
    if (!error)
        error = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!error) {
        error = pthread_create(&helper.thread, &attributes, help, NULL);
        helper.runs = !error;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return -error;
}

/* Sleeps until the kernel says that the thread gave its CPU away: a sleep that is over before it began blocks nobody. */
static void block(void)
{
    struct rusage before, after;
    if (getrusage(RUSAGE_THREAD, &before))
        return;
    struct timespec time = {.tv_nsec = 1000000};
    do {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
        time.tv_nsec *= 2;
    } while (!getrusage(RUSAGE_THREAD, &after) && after.ru_nvcsw == before.ru_nvcsw && time.tv_nsec < 1000000000);
}

int rtnode_limit_run_time(void)
{
    /* The kernel counts from when the thread blocked last: were that beyond the limit, a signal would come at once. */
    block();
    const char *text = getenv("RTNODE_RTTIME");
    if (!text)
        return 0;
    char *rest;
    errno = 0;
    unsigned long long us = strtoull(text, &rest, 10);
    if (errno || *rest || us == 0)
        return -EINVAL;
    struct rlimit limit = {.rlim_cur = us, .rlim_max = 2 * us}, got;
    if (setrlimit(RLIMIT_RTTIME, &limit) || getrlimit(RLIMIT_RTTIME, &got))
        return -errno;
    return got.rlim_cur == limit.rlim_cur && got.rlim_max == limit.rlim_max ? 0 : -EPROTO;
}

int rtnode_ready(void)
{
    if (helper.runs)
        return -EALREADY;
    helper.watchdog = watchdog_interval();
    int error = notify_open(&helper.notify);
    if (!error)
        error = start_helper();
    if (!error)
        error = rtnode_limit_run_time();
    return error ? error : notify_send(helper.notify, "READY=1");
}

int rtnode_stopping(void)
{
    __atomic_store_n(&ending, true, __ATOMIC_RELAXED);
    return notify_send(helper.notify, "STOPPING=1");
}

void rtnode_flush(void)
{
    if (helper.runs) {
        sem_post(&helper.leave);
        pthread_join(helper.thread, NULL);
        helper.runs = false;
    }
    /* That nobody reads any more is no reason to leave with another status. */
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    log_finish();
}
