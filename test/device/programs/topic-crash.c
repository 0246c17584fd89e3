/*
 * Publishers that are killed at any moment, and subscribers that look whether a record is ever anything but whole:
 *   topic-crash KILLS SUBSCRIBERS
 * Prints how many kills there were, and of each subscriber how many records it saw, and how many were broken.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rtnode.h"

/* No multiple of eight bytes: the last word of a slot is only partly the record's. */
enum { WORDS = 61, MOST_SUBSCRIBERS = 16 };
static const char layout[] = "seed:u32,words:u32[61],end:u16";

struct record {
    uint32_t seed, words[WORDS];
    uint16_t end;
};

static volatile sig_atomic_t leave;

static void on_signal(int number)
{
    (void)number;
    leave = 1;
}

static uint32_t mix(uint32_t seed, uint32_t at)
{
    uint32_t value = (seed + at) * 2654435761u;
    return value ^ value >> 15;
}

static void fill(struct record *record, uint32_t seed)
{
    record->seed = seed;
    for (uint32_t i = 0; i < WORDS; i++)
        record->words[i] = mix(seed, i);
    record->end = (uint16_t)mix(seed, WORDS);
}

static bool whole(const struct record *record)
{
    struct record same;
    fill(&same, record->seed);
    return !memcmp(record->words, same.words, sizeof same.words) && record->end == same.end;
}

static void open_topic(struct rtnode_topic **topic, enum rtnode_role role)
{
    int error = rtnode_topic_open(topic, "crash", layout, sizeof(struct record), role);
    if (error) {
        fprintf(stderr, "rtnode_topic_open: %s\n", strerror(-error));
        _exit(2);
    }
}

static void publish_for_ever(uint32_t seed)
{
    struct rtnode_topic *topic;
    static struct record record;
    open_topic(&topic, RTNODE_PUBLISHER);
    for (;; seed++) {
        fill(&record, seed);
        (void)rtnode_publish(topic, &record);
    }
}

static void subscribe(void)
{
    struct rtnode_topic *topic;
    static struct record record;
    uint64_t seen = 0, broken = 0;
    open_topic(&topic, RTNODE_SUBSCRIBER);
    while (!leave) {
        int result = rtnode_receive(topic, &record, NULL);
        if (result == 1) {
            seen++;
            broken += !whole(&record);
        } else if (result < 0 && result != -ENODATA && result != -EAGAIN) {
            broken++;
        }
    }
    printf("%" PRIu64 " seen, %" PRIu64 " broken\n", seen, broken);
    fflush(stdout);
    _exit(0);
}

static pid_t start(void (*child)(void))
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child();
    _exit(0);
}

static uint32_t generation;

static void publisher(void)
{
    publish_for_ever(generation << 16);
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    signal(SIGTERM, on_signal);
    pid_t subscribers[MOST_SUBSCRIBERS];
    long kills = strtol(words[1], NULL, 10), many = strtol(words[2], NULL, 10);
    for (long i = 0; i < many && i < MOST_SUBSCRIBERS; i++)
        subscribers[i] = start(subscribe);
    unsigned seed = (unsigned)getpid();
    for (generation = 0; generation < (uint32_t)kills; generation++) {
        pid_t pid = start(publisher);
        usleep((useconds_t)rand_r(&seed) % 1500);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    printf("%ld kills\n", kills);
    fflush(stdout);
    for (long i = 0; i < many && i < MOST_SUBSCRIBERS; i++)
        kill(subscribers[i], SIGTERM);
    while (wait(NULL) > 0)
        ;
    return 0;
}
