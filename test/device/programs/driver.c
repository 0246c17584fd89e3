/*
 * Calls librtnode as it is told on standard input, one command per line, and answers each with a line: a number, or the
 * name of an error. With fake-clock.c the time is what it is told.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-clock.h"
#include "rtnode.h"

enum { TOPICS = 8, MOST_BYTES = 1 << 20 };

static struct {
    struct rtnode_topic *topic;
    unsigned char record[4096];
} topics[TOPICS];

static void answer(long result)
{
    if (result < 0)
        puts(strerrorname_np((int)-result));
    else
        printf("%ld\n", result);
}

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

static char *word(void)
{
    return strtok(NULL, " ");
}

static void print_times(const char *name, const struct rtnode_times *times)
{
    printf(",\"%s\":{\"p50\":%.17g,\"p99\":%.17g,\"p999\":%.17g,\"max\":%.17g}", name, times->p50, times->p99, times->p999,
           times->max);
}

static void end(void)
{
    struct rtnode_summary s;
    int error = rtnode_count_end(&s);
    if (error) {
        answer(error);
        return;
    }
    printf("{\"cycles\":%" PRIu64 ",\"overruns\":%" PRIu64 ",\"collections\":%" PRIu64 ",\"minorFaults\":%" PRIu64, s.cycles,
           s.overruns, s.collections, s.minor_faults);
    print_times("wakeup", &s.wakeup);
    print_times("execution", &s.execution);
    puts("}");
}

/* Keeps the step busy for so long. */
static void pass(uint64_t ns)
{
    for (uint64_t until = rtnode_now() + ns; rtnode_now() < until;)
        fake_clock_pass(ns);
}

static void log_long(size_t length)
{
    static char line[MOST_BYTES];
    memset(line, 'x', length);
    answer(rtnode_log(line, length));
}

/* So many waits, as fast as they come; what the last one gave. */
static void turns(uint64_t count)
{
    int result = 0;
    while (count-- > 0)
        result = rtnode_loop_wait();
    answer(result);
}

static void topic(const char *command)
{
    unsigned slot = (unsigned)number(word()) % TOPICS;
    struct rtnode_topic **opened = &topics[slot].topic;
    unsigned char *record = topics[slot].record;
    if (!strcmp(command, "open")) {
        enum rtnode_role role = (enum rtnode_role)number(word());
        const char *name = word(), *layout = word();
        answer(rtnode_topic_open(opened, name, layout ? layout : "", number(word()), role));
    } else if (!strcmp(command, "publish")) {
        memset(record, (int)number(word()), sizeof topics->record);
        answer(rtnode_publish(*opened, record));
    } else if (!strcmp(command, "receive")) {
        uint64_t published = 0;
        int result = rtnode_receive(*opened, record, &published);
        if (result < 0)
            answer(result);
        else
            printf("%d %u %s\n", result, record[0], published && published <= rtnode_now() ? "before" : "never");
    } else {
        rtnode_topic_close(*opened);
        *opened = NULL;
        answer(0);
    }
}

static void on_signal(int number)
{
    (void)number;
}

static void obey(char *line)
{
    const char *command = strtok(line, " ");
    if (!command)
        return;
    if (!strcmp(command, "ready"))
        answer(rtnode_ready());
    else if (!strcmp(command, "limit"))
        answer(rtnode_limit_run_time());
    else if (!strcmp(command, "stopping"))
        answer(rtnode_stopping());
    else if (!strcmp(command, "flush"))
        rtnode_flush(), answer(0);
    else if (!strcmp(command, "log"))
        answer(rtnode_log(line + 4, strlen(line + 4)));
    else if (!strcmp(command, "log-long"))
        log_long(number(word()));
    else if (!strcmp(command, "begin"))
        answer(rtnode_count_begin(word()));
    else if (!strcmp(command, "end"))
        end();
    else if (!strcmp(command, "loop")) {
        uint64_t period = number(word());
        answer(rtnode_loop_begin(period, (enum rtnode_overrun)number(word())));
    } else if (!strcmp(command, "wait"))
        answer(rtnode_loop_wait());
    else if (!strcmp(command, "turns"))
        turns(number(word()));
    else if (!strcmp(command, "alive"))
        rtnode_alive(), answer(0);
    else if (!strcmp(command, "collection"))
        rtnode_count_collection(), answer(0);
    else if (!strcmp(command, "garbage"))
        rtnode_count_garbage(number(word())), answer(0);
    else if (!strcmp(command, "pass"))
        pass(number(word())), answer(0);
    else if (!strcmp(command, "late"))
        fake_clock_wake_late(number(word())), answer(0);
    else if (!strcmp(command, "interrupt"))
        fake_clock_interrupt(number(word())), answer(0);
    else if (!strcmp(command, "hang"))
        pause();
    else if (!strcmp(command, "exit"))
        _exit((int)number(word()));
    else
        topic(command);
}

int main(void)
{
    static char line[MOST_BYTES];
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(line);
    }
    rtnode_flush();
    return 0;
}
