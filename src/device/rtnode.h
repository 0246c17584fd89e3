/*
 * librtnode.so for programs in C, and for the SDKs, which call the same functions: a loop on absolute time that counts
 * what disturbs it, a log that the loop may write to, systemd's readiness and watchdog, and topics between nodes.
 *
 * One loop and one log per process; all functions belong to one thread, the main one. Results are 0 or a number
 * that is said below, or -errno. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef RTNODE_H
#define RTNODE_H

#include <stddef.h>
#include <stdint.h>

#define RTNODE_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Life ---- */

/*
 * Says that start-up is over, once, right before the loop. RLIMIT_RTTIME becomes what was asked for (rt-launch --startup)
 * and is read back; systemd hears READY=1; a thread that is not real-time begins to write the log and, while the loop
 * goes on, to feed systemd's watchdog.
 */
RTNODE_EXPORT int rtnode_ready(void);

/*
 * That part of rtnode_ready alone: blocks for a moment, which starts RLIMIT_RTTIME's count anew, and sets the limit.
 * After SIGXCPU the kernel has raised it by a second: whoever handles the signal and goes on calls this again.
 */
RTNODE_EXPORT int rtnode_limit_run_time(void);

/* Says that the node is about to end: systemd hears STOPPING=1, and the watchdog is content from here on. */
RTNODE_EXPORT int rtnode_stopping(void);

/* Writes what is left of the log, and ends the thread. The last call before the process leaves. */
RTNODE_EXPORT void rtnode_flush(void);

/*
 * Adds a line (without its end) to the log: to memory only, a few dozen nanoseconds. Within 50 ms it is on standard
 * error, or later where the reader is slow. -ENOBUFS when 64 KiB are waiting already: the line is lost, and how many were is
 * said there. What nobody reads for a second when the program ends is lost too.
 */
RTNODE_EXPORT int rtnode_log(const char *text, size_t length);

/* ---- The loop ---- */

/* What happens when a step ends after the next one was due. */
enum rtnode_overrun {
    RTNODE_SKIP,     /* miss the steps that are past, keep the rhythm */
    RTNODE_CATCH_UP, /* run them at once */
    RTNODE_STOP      /* rtnode_loop_wait returns -ETIME */
};

/*
 * Opens the statistics, /run/rtnode/NAME.stats or below $RTNODE_RUNTIME_DIR (stats.h), and counts from here on: page
 * faults, involuntary switches and CPU migrations of this thread. `identity` (or NULL) stands there too.
 */
RTNODE_EXPORT int rtnode_count_begin(const char *name, const char *identity);

/* Begins a loop: its first step is due one period from now. */
RTNODE_EXPORT int rtnode_loop_begin(uint64_t period, enum rtnode_overrun overrun);

/*
 * Ends a step and waits until the next is due. The number of steps that did not begin in their own period since the last
 * call: 0 when all is well. -EINTR when a signal came first, and every 100 ms of a long wait, since one may have come just
 * before: look at what its handler sets, and call again to go on waiting. -ETIME when overruns are to stop the loop. No memory is allocated; the only system calls are clock_nanosleep(2) and getrusage(2).
 */
RTNODE_EXPORT int rtnode_loop_wait(void);

/* For programs with a loop of their own: one turn of it is over. Updates the statistics and contents the watchdog. */
RTNODE_EXPORT void rtnode_alive(void);

/* A garbage collector ran: counted while rtnode_count_begin's counting goes on. */
RTNODE_EXPORT void rtnode_count_collection(void);

/* Sums up one of the two histograms. Microseconds, each no less than what was measured; 0 when there is nothing. */
struct rtnode_times {
    double p50, p99, p999, max;
};

/* What the loop came to. */
struct rtnode_summary {
    uint64_t cycles;               /* steps that ended */
    uint64_t overruns;             /* steps that did not begin in their own period: skipped, or begun late */
    uint64_t minor_faults, major_faults;
    uint64_t involuntary_switches; /* something of higher priority, or of the kernel, took the CPU */
    uint64_t migrations;           /* from one CPU to another */
    uint64_t collections;
    struct rtnode_times wakeup;    /* from when a step was due until it began */
    struct rtnode_times execution; /* from when a step began until it ended */
};

/* Ends the counting; `summary` may be NULL. */
RTNODE_EXPORT int rtnode_count_end(struct rtnode_summary *summary);

/* Adds to the statistics how many objects a collector found in cycles that the loop left behind. */
RTNODE_EXPORT void rtnode_count_garbage(uint64_t objects);

/* CLOCK_MONOTONIC. */
RTNODE_EXPORT uint64_t rtnode_now(void);

/* ---- Topics: the latest value, from one node to many ---- */

struct rtnode_topic;

enum rtnode_role { RTNODE_SUBSCRIBER, RTNODE_PUBLISHER };

/*
 * Opens /run/rtnode/NAME.topic (or below $RTNODE_RUNTIME_DIR); whoever comes first makes it. `layout` describes the
 * record in the order of its members, "position:f64,flags:u8,torques:f32[3]": i8, u8, i16, u16, i32, u32, f32 and f64,
 * each aligned to its size, as a C compiler lays a struct out; `size` is the struct's.
 * -EINVAL for a wrong name, layout or size; -EPROTO when a running node has the topic with another layout; -EBUSY when a
 * running node publishes it already.
 */
RTNODE_EXPORT int rtnode_topic_open(struct rtnode_topic **topic, const char *name, const char *layout, size_t size,
                                    enum rtnode_role role);

/* Makes a record the latest. No system call, and no waiting for anybody. -EBADF for a subscriber. */
RTNODE_EXPORT int rtnode_publish(struct rtnode_topic *topic, const void *record);

/*
 * Copies the latest record. 1: it is another than the last time; 0: it is the same; -ENODATA: there is none yet. Never
 * half of one: a publisher that was interrupted, or died, in the middle leaves the one before. `published` (or NULL)
 * becomes the time at which it was. -EAGAIN when the publisher was faster than a hundred attempts to copy.
 */
RTNODE_EXPORT int rtnode_receive(struct rtnode_topic *topic, void *record, uint64_t *published);

RTNODE_EXPORT void rtnode_topic_close(struct rtnode_topic *topic);

#ifdef __cplusplus
}
#endif
#endif
