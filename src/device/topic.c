/*
 * A topic is a file in memory that its nodes map: a page that says what it is, and two slots. The publisher fills the slot
 * that is not the latest, and then says that it is: `sequence` counts what was published, its lowest bit is the slot. So
 * the latest record is whole whatever happens to the publisher, and a subscriber that interrupts it waits for nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtnode.h"
#include "runtime-dir.h"
#include "topic-layout.h"

#define MAGIC "rttopic1"

enum { LAYOUT_BYTES = 4000, ATTEMPTS = 100 };

/* What is locked of the file (fcntl(2), open file description locks): who uses the topic, who publishes, who looks into it. */
enum { USERS, PUBLISHER, OPENING };

struct header {
    char magic[8];
    uint64_t sequence;
    char layout[LAYOUT_BYTES];
};

struct slot {
    uint64_t published;
    uint64_t words[];
};

struct rtnode_topic {
    int file;
    enum rtnode_role role;
    size_t size, words, bytes; /* of the record; in words of eight bytes, rounded up; of the mapping */
    uint64_t seen;             /* the sequence of what was received last */
    struct header *header;
};

static size_t slot_bytes(size_t words)
{
    return sizeof(struct slot) + words * sizeof(uint64_t);
}

static struct slot *slot_of(const struct rtnode_topic *topic, uint64_t sequence)
{
    return (struct slot *)((char *)(topic->header + 1) + (sequence & 1) * slot_bytes(topic->words));
}

static int lock(int file, short type, off_t what, bool wait)
{
    struct flock request = {.l_type = type, .l_whence = SEEK_SET, .l_start = what, .l_len = 1};
    if (!fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &request))
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

/* True when the file is a topic of this layout. One that is not, and that nobody uses, is emptied. */
static int check_layout(struct rtnode_topic *topic, const char *layout)
{
    struct stat status;
    if (fstat(topic->file, &status))
        return -errno;
    struct header found = {.magic = ""};
    if (status.st_size && pread(topic->file, &found, sizeof found, 0) < 0)
        return -errno;
    if ((size_t)status.st_size == topic->bytes && !memcmp(found.magic, MAGIC, sizeof found.magic) &&
        !strncmp(found.layout, layout, sizeof found.layout))
        return 0;
    int error = lock(topic->file, F_WRLCK, USERS, false);
    if (error)
        return error == -EBUSY ? -EPROTO : error;
    struct header made = {.magic = MAGIC};
    strncpy(made.layout, layout, sizeof made.layout - 1);
    if (ftruncate(topic->file, 0))
        return -errno;
    /* Reserved: in a memory that is full the first write to it would be SIGBUS. */
    error = posix_fallocate(topic->file, 0, (off_t)topic->bytes);
    if (error)
        return -error;
    ssize_t written = pwrite(topic->file, &made, sizeof made, 0);
    return written == sizeof made ? 0 : written < 0 ? -errno : -EIO;
}

/* While others that open the topic wait. */
static int join(struct rtnode_topic *topic, const char *layout)
{
    int error = lock(topic->file, F_WRLCK, OPENING, true);
    if (!error)
        error = check_layout(topic, layout);
    if (!error)
        error = lock(topic->file, F_RDLCK, USERS, false);
    if (!error && topic->role == RTNODE_PUBLISHER)
        error = lock(topic->file, F_WRLCK, PUBLISHER, false);
    (void)lock(topic->file, F_UNLCK, OPENING, false);
    return error;
}

/* Touched by writing, so that nothing faults later; what stands there stays. */
static void touch(struct rtnode_topic *topic)
{
    long page = sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < topic->bytes; at += (size_t)page)
        __atomic_fetch_add((uint8_t *)topic->header + at, 0, __ATOMIC_RELAXED);
}

static int open_file(struct rtnode_topic *topic, const char *name, const char *layout)
{
    char path[PATH_MAX];
    int error = runtime_path(path, name, ".topic");
    if (error)
        return error;
    topic->file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (topic->file < 0)
        return -errno;
    error = join(topic, layout);
    if (error)
        return error;
    void *memory = mmap(NULL, topic->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, topic->file, 0);
    if (memory == MAP_FAILED)
        return -errno;
    topic->header = memory;
    touch(topic);
    return 0;
}

int rtnode_topic_open(struct rtnode_topic **opened, const char *name, const char *layout, size_t size, enum rtnode_role role)
{
    if (strlen(layout) >= LAYOUT_BYTES || layout_size(layout) != size || size == 0)
        return -EINVAL;
    struct rtnode_topic *topic = calloc(1, sizeof *topic);
    if (!topic)
        return -ENOMEM;
    topic->file = -1;
    topic->role = role;
    topic->size = size;
    topic->words = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    topic->bytes = sizeof *topic->header + 2 * slot_bytes(topic->words);
    int error = open_file(topic, name, layout);
    if (error) {
        rtnode_topic_close(topic);
        return error;
    }
    *opened = topic;
    return 0;
}

void rtnode_topic_close(struct rtnode_topic *topic)
{
    if (!topic)
        return;
    if (topic->header)
        munmap(topic->header, topic->bytes);
    /* Its locks go with it. */
    if (topic->file >= 0)
        close(topic->file);
    free(topic);
}

/* Word by word: what another process may be looking at is never half a word. */
static void store(struct slot *slot, const char *record, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, record + at, size - at < sizeof word ? size - at : sizeof word);
        __atomic_store_n(&slot->words[at / sizeof word], word, __ATOMIC_RELAXED);
    }
}

static void load(const struct slot *slot, char *record, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = __atomic_load_n(&slot->words[at / sizeof word], __ATOMIC_RELAXED);
        memcpy(record + at, &word, size - at < sizeof word ? size - at : sizeof word);
    }
}

int rtnode_publish(struct rtnode_topic *topic, const void *record)
{
    if (topic->role != RTNODE_PUBLISHER)
        return -EBADF;
    uint64_t next = topic->header->sequence + 1;
    struct slot *slot = slot_of(topic, next);
    /* The slot was let go of by the last publish: nothing below may be seen before that was. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->published, rtnode_now(), __ATOMIC_RELAXED);
    store(slot, record, topic->size);
    __atomic_store_n(&topic->header->sequence, next, __ATOMIC_RELEASE);
    return 0;
}

int rtnode_receive(struct rtnode_topic *topic, void *record, uint64_t *published)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint64_t sequence = __atomic_load_n(&topic->header->sequence, __ATOMIC_ACQUIRE);
        if (sequence == 0)
            return -ENODATA;
        const struct slot *slot = slot_of(topic, sequence);
        uint64_t time = __atomic_load_n(&slot->published, __ATOMIC_RELAXED);
        load(slot, record, topic->size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&topic->header->sequence, __ATOMIC_RELAXED) != sequence)
            continue;
        if (published)
            *published = time;
        bool changed = sequence != topic->seen;
        topic->seen = sequence;
        return changed;
    }
    return -EAGAIN;
}
