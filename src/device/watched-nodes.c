/* Which nodes there are, and the files that tell of them. Nothing here asks for memory. */
#include "watched-nodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct node watched[MAX_NODES];
const char *watched_root;

void close_kept(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = -1;
}

bool read_kept(int *file, const char *path, char *text, size_t size)
{
    for (;;) {
        bool kept = *file >= 0;
        if (!kept)
            *file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t count = *file < 0 ? -1 : pread(*file, text, size - 1, 0);
        if (count >= 0) {
            text[count] = '\0';
            return true;
        }
        close_kept(file);
        /* It was one that is no more; there may be another by that name. */
        if (!kept)
            return false;
    }
}

/* A file's or a folder's name without what is before and after the node's; NULL when it is not that of a node. */
static const char *node_name(const char *name, const char *before, const char *after, size_t *size)
{
    size_t start = strlen(before), end = strlen(name), ending = strlen(after);
    if (end <= start + ending || strncmp(name, before, start) || strcmp(name + end - ending, after))
        return NULL;
    *size = end - start - ending;
    bool valid = *size < sizeof watched->name && strspn(name + start, "abcdefghijklmnopqrstuvwxyz0123456789-") >= *size;
    return valid ? name + start : NULL;
}

static struct node *find_node(const char *name, size_t size)
{
    for (size_t i = 0; i < MAX_NODES; i++)
        if (*watched[i].name && strlen(watched[i].name) == size && !memcmp(watched[i].name, name, size))
            return &watched[i];
    return NULL;
}

void forget_stats(struct node *node)
{
    if (node->stats)
        munmap((void *)(uintptr_t)node->stats, sizeof *node->stats);
    node->stats = NULL;
    node->file = 0;
    node->cycles = node->overruns = 0;
    memset(&node->wakeup, 0, sizeof node->wakeup);
}

static void take_conf(const char *file)
{
    size_t size;
    const char *name = node_name(file, "", ".conf", &size);
    if (!name)
        return;
    struct node *node = find_node(name, size);
    for (size_t i = 0; i < MAX_NODES && !node; i++)
        if (!*watched[i].name) {
            node = &watched[i];
            memcpy(node->name, name, size);
            node->name[size] = '\0';
            node->group = node->cpu_stat = node->statm = -1;
        }
    if (node)
        node->listed = true;
}

static void take_group(const char *folder)
{
    size_t size;
    const char *name = node_name(folder, "rtnode@", ".service", &size);
    struct node *node = name ? find_node(name, size) : NULL;
    if (node)
        node->grouped = true;
}

static void forget(struct node *node)
{
    forget_stats(node);
    close_kept(&node->group);
    close_kept(&node->cpu_stat);
    close_kept(&node->statm);
    node->name[0] = '\0';
    node->pid = 0;
}

static void read_folder(const char *path, void (*take)(const char *name))
{
    _Alignas(struct dirent64) char entries[4096];
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t count;
    /* readdir(3) would ask for memory. */
    while (folder >= 0 && (count = getdents64(folder, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < count;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            take(entry->d_name);
            at += entry->d_reclen;
        }
    if (folder >= 0)
        close(folder);
}

/* The nodes of the active release; a deploy puts another folder in its place. */
static void list_names(void)
{
    static struct stat before;
    struct stat status;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/opt/rtnode/current/nodes", watched_root);
    if (stat(path, &status))
        memset(&status, 0, sizeof status);
    if (status.st_ino == before.st_ino && status.st_mtim.tv_sec == before.st_mtim.tv_sec &&
        status.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
        return;
    before = status;
    for (size_t i = 0; i < MAX_NODES; i++)
        watched[i].listed = false;
    read_folder(path, take_conf);
    for (size_t i = 0; i < MAX_NODES; i++)
        if (*watched[i].name && !watched[i].listed)
            forget(&watched[i]);
}

#define GROUPS "/sys/fs/cgroup/system.slice/system-rtnode.slice"

/* Which nodes have processes. Asked for all at once: a file that is not there costs as much as one that is. */
static void list_groups(void)
{
    char path[PATH_MAX];
    bool all = true;
    for (size_t i = 0; i < MAX_NODES; i++)
        all = all && (!*watched[i].name || watched[i].pid);
    /* Of those that ran the last time, their own files tell. */
    if (all)
        return;
    for (size_t i = 0; i < MAX_NODES; i++)
        watched[i].grouped = false;
    snprintf(path, sizeof path, "%s" GROUPS, watched_root);
    read_folder(path, take_group);
}

bool read_group(const struct node *node, int *file, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s" GROUPS "/rtnode@%s.service/%s", watched_root, node->name, name);
    return read_kept(file, path, text, size);
}

void map_stats(struct node *node)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%s/run/rtnode/%s.stats", watched_root, node->name);
    if (node->stats && !lstat(path, &status) && status.st_ino == node->file)
        return;
    forget_stats(node);
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return;
    /* A shorter file would end this process with SIGBUS. */
    if (!fstat(file, &status) && S_ISREG(status.st_mode) && status.st_size == (off_t)sizeof *node->stats) {
        void *memory = mmap(NULL, sizeof *node->stats, PROT_READ, MAP_SHARED, file, 0);
        if (memory != MAP_FAILED) {
            node->stats = memory;
            node->file = status.st_ino;
        }
    }
    close(file);
}

void list_nodes(void)
{
    list_names();
    list_groups();
}
