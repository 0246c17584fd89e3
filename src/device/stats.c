#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime-dir.h"

enum { ATTEMPTS = 1000 };

static int map_file(const char *path, struct stats **stats)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        return -errno;
    /* Anybody may look, whatever the umask says; what others may do to the folder decides who can. */
    int error = fchmod(file, 0644) ? -errno : 0;
    /* Reserved: in a memory that is full the first write to it would be SIGBUS. */
    if (!error)
        error = -posix_fallocate(file, 0, sizeof **stats);
    void *memory = error ? MAP_FAILED : mmap(NULL, sizeof **stats, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!error && memory == MAP_FAILED)
        error = -errno;
    close(file);
    *stats = memory;
    return error;
}

int stats_create(const char *name, const char *identity, struct stats **stats)
{
    char path[PATH_MAX], made[PATH_MAX], ending[40];
    snprintf(ending, sizeof ending, ".%d.new", getpid());
    int error = runtime_path(path, name, ".stats");
    if (!error)
        error = runtime_path(made, name, ending);
    if (error)
        return error;
    error = map_file(made, stats);
    if (error) {
        unlink(made);
        return error;
    }
    /* Written to, not only mapped: where the processor does not mark pages as written itself, the first write faults. */
    memset(*stats, 0, sizeof **stats);
    memcpy((*stats)->magic, STATS_MAGIC, sizeof (*stats)->magic);
    (*stats)->size = sizeof **stats;
    (*stats)->pid = (uint32_t)getpid();
    if (identity)
        snprintf((*stats)->identity, sizeof (*stats)->identity, "%s", identity);
    if (rename(made, path)) {
        error = -errno;
        unlink(made);
        munmap(*stats, sizeof **stats);
        *stats = NULL;
    }
    return error;
}

static int copy_part(const struct stats *file, struct stats *copy, size_t size)
{
    if (memcmp(file->magic, STATS_MAGIC, sizeof file->magic) || file->size != sizeof *file)
        return -EPROTO;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint64_t before = __atomic_load_n(&file->sequence, __ATOMIC_ACQUIRE);
        /* A copy would be for nothing, and costs more than the write that is waited for. */
        if (before % 2 != 0)
            continue;
        memcpy(copy, file, size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        uint64_t after = __atomic_load_n(&file->sequence, __ATOMIC_RELAXED);
        if (before == after)
            return 0;
    }
    return -EAGAIN;
}

int stats_copy(const struct stats *file, struct stats *copy)
{
    return copy_part(file, copy, sizeof *copy);
}

int stats_copy_wakeups(const struct stats *file, struct stats *copy)
{
    return copy_part(file, copy, offsetof(struct stats, execution));
}
