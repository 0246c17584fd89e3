/* The values of launch options: whole numbers, times, CPU lists, policies. A mistake leaves with its place. */
#ifndef RTNODE_VALUES_H
#define RTNODE_VALUES_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
#ifndef SCHED_EXT
#define SCHED_EXT 7 /* Linux 6.12; other programs may have it, nobody can ask for it here */
#endif

/* Where a word stands; `file` is NULL for the command line. */
struct source {
    const char *file;
    unsigned line;
    unsigned long seen; /* bit per word of the table: given here already */
    const char *word;
};

/* Says what is wrong with the word at a place, and leaves with EXIT_LAUNCHER. */
void mistake(const struct source *at, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* A whole number up to INT64_MAX. */
uint64_t parse_number(const char *text, const struct source *at);

/* Nanoseconds of an integer with ns, us, ms or s; never 0. */
uint64_t parse_duration(const char *text, const struct source *at);

/* The kernel's list format: numbers and ranges between commas. */
void parse_cpus(const char *text, cpu_set_t *cpus, const struct source *at);

/* -20 to 19. */
int parse_nice(const char *text, const struct source *at);

/* SCHED_* of a policy's word. */
int parse_policy(const char *text, const struct source *at);

/* The word of a policy. */
const char *policy_name(int policy);

/* True for fifo, rr and deadline. */
bool is_realtime(int policy);

#endif
