#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "apply.h"
#include "environment.h"
#include "program.h"
#include "report.h"
#include "values.h"

/* librtnode.so in the folder of this executable; NULL, and a problem was reported, when that is not known. */
static char *own_library(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) {
        problem("readlink: /proc/self/exe: %s: memory cannot be locked; mount /proc, or say where the library is with "
                "--library",
                strerror(errno));
        return NULL;
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    char *library;
    if (asprintf(&library, "%.*s/librtnode.so", slash ? (int)(slash - path) : 0, path) < 0)
        die(EXIT_LAUNCHER, "out of memory");
    return library;
}

/* Why ld.so(8), which only warns and goes on, would not load the library; NULL when it will. */
static const char *fault_of(const char *library)
{
    if (strpbrk(library, ": "))
        return "a colon or space in its path";
    int file = open(library, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return strerror(errno);
    Elf64_Ehdr header;
    const char *fault = NULL;
    ssize_t length = pread(file, &header, sizeof header, 0);
    if (length < 0)
        fault = strerror(errno);
    else if ((size_t)length < sizeof header || !is_own_elf(&header) || header.e_type != ET_DYN ||
             names_loader(file, &header) != 0)
        fault = "it is no library of this architecture";
    /* A file system that is mounted noexec says so here. */
    else if (mmap(NULL, sizeof header, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED)
        fault = errno == EPERM ? "its file system is mounted noexec" : strerror(errno);
    close(file);
    return fault;
}

void preload(const struct options *options)
{
    const char *library = options->library ? options->library : own_library();
    if (!library)
        return;
    const char *fault = fault_of(library);
    if (fault) {
        problem("%s: memory cannot be locked: %s", library, fault);
        return;
    }
    const char *others = getenv("LD_PRELOAD");
    char *list;
    if (asprintf(&list, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
        die(EXIT_LAUNCHER, "out of memory");
    set_variable("LD_PRELOAD", list);
    set_variable("RTNODE_LOCK", only_warns() ? "warn" : "strict");
    set_number("RTNODE_STACK", options->stack);
    set_number("RTNODE_HEAP", options->heap);
    set_number("RTNODE_AT_ONCE", starts_at_once(options));
}

void apply_huge_pages(const struct options *options)
{
    if (!is_realtime(options->policy) && !options->lock_memory)
        return;
    int got = -1;
    if (prctl(PR_SET_THP_DISABLE, 1UL, 0UL, 0UL, 0UL) || (got = prctl(PR_GET_THP_DISABLE, 0UL, 0UL, 0UL, 0UL)) < 0)
        problem("prctl: transparent huge pages cannot be switched off: %s%s", strerror(errno),
                filter_hint(errno));
    else if (got == 0)
        problem("prctl: transparent huge pages were switched off and read back as on");
}
