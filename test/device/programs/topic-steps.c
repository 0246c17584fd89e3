/*
 * Kills a publisher after each single instruction of publishing its second record, and prints which record a subscriber
 * then sees: 1, 2, or "broken". Single-stepped by ptrace(2).
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rtnode.h"

enum { SIZE = 28, MOST_STEPS = 100000 };
static const char layout[] = "words:u32[7]";

static struct rtnode_topic *open_topic(enum rtnode_role role)
{
    struct rtnode_topic *topic = NULL;
    if (rtnode_topic_open(&topic, "steps", layout, SIZE, role))
        _exit(2);
    return topic;
}

static void publish(struct rtnode_topic *topic, int value)
{
    unsigned char record[SIZE];
    memset(record, value, sizeof record);
    (void)rtnode_publish(topic, record);
}

static void publisher(void)
{
    struct rtnode_topic *topic = open_topic(RTNODE_PUBLISHER);
    publish(topic, 1);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    publish(topic, 2);
    raise(SIGSTOP);
    _exit(0);
}

/* True when the publisher was stopped (or is gone) before it had taken so many steps. */
static bool killed_after(long steps)
{
    pid_t pid = fork();
    if (pid == 0)
        publisher();
    int status = 0;
    bool over = waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status);
    for (long step = 0; step < steps && !over; step++) {
        over = ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status) ||
               WSTOPSIG(status) != SIGTRAP;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return over;
}

static int seen(struct rtnode_topic *subscriber)
{
    unsigned char record[SIZE];
    if (rtnode_receive(subscriber, record, NULL) < 0)
        return 0;
    for (size_t i = 1; i < SIZE; i++)
        if (record[i] != record[0])
            return 0;
    return record[0];
}

int main(void)
{
    struct rtnode_topic *subscriber = open_topic(RTNODE_SUBSCRIBER);
    for (long steps = 0; steps < MOST_STEPS; steps++) {
        bool over = killed_after(steps);
        int value = seen(subscriber);
        if (value == 0)
            puts("broken");
        else
            printf("%d\n", value);
        if (over)
            return 0;
    }
    return 1;
}
