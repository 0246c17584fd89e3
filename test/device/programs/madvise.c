/* What librtnode's madvise(2) does: MADVISE KIND prints the result, errno, whether all reads 0, and how much is in RAM. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rtnode.h"

enum { PAGES = 16 };

int main(int count, char **words)
{
    const char *kind = count > 1 ? words[1] : "";
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PAGES * page;
    unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* Calls the library, so that it is there whatever the linker thinks. */
    if (memory == MAP_FAILED || rtnode_now() == 0)
        return 2;
    memset(memory, 1, size);
    if (strcmp(kind, "unlocked") && mlock(memory, size))
        return 3;
    if (!strcmp(kind, "read-only") && mprotect(memory, size, PROT_READ))
        return 3;
    if (!strcmp(kind, "no-rights") && mprotect(memory, size, PROT_NONE))
        return 3;
    int advice = !strcmp(kind, "free") ? MADV_FREE : !strcmp(kind, "unknown") ? 9999 : MADV_DONTNEED;
    if (!strcmp(kind, "unmapped") && munmap(memory + page, page))
        return 3;
    errno = ERANGE;
    int result = madvise(memory + (strcmp(kind, "unaligned") ? 0 : 1), strcmp(kind, "empty") ? size : 0, advice);
    printf("%d %s", result, strerrorname_np(errno));
    unsigned char present[PAGES] = {0};
    unsigned in_ram = 0, zero = 1;
    if (result == 0 && strcmp(kind, "no-rights") && !mincore(memory, size, present)) {
        for (unsigned i = 0; i < PAGES; i++)
            in_ram += present[i] & 1;
        for (size_t i = 0; i < size; i++)
            zero = zero && memory[i] == 0;
        printf(" %s %u", zero ? "zero" : "kept", in_ram);
    }
    puts("");
    return 0;
}
