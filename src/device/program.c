#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "report.h"

#if defined __x86_64__
enum { OWN_MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { OWN_MACHINE = EM_AARCH64 };
#else
#error "which machine does elf.h call this?"
#endif

/* Scripts that name scripts: the kernel gives up after five (fs/exec.c). */
enum { MAX_INTERPRETERS = 5 };

static char *join(const char *folder, size_t length, const char *name)
{
    char *path;
    /* An empty element of PATH is the current folder. */
    if (asprintf(&path, "%.*s%s%s", (int)length, folder, length ? "/" : "./", name) < 0)
        die(EXIT_LAUNCHER, "out of memory");
    return path;
}

/* 0 when the file can be executed, else why not. */
static int executable(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return access(path, X_OK) ? errno : 0;
}

char *find_program(const char *name)
{
    int error = ENOENT;
    if (strchr(name, '/')) {
        error = executable(name);
        if (!error) {
            char *path = strdup(name);
            if (path)
                return path;
            die(EXIT_LAUNCHER, "out of memory");
        }
    } else if (*name) {
        const char *path = getenv("PATH");
        const char *rest = path ? path : "/usr/local/bin:/usr/bin:/bin";
        while (rest) {
            size_t length = strcspn(rest, ":");
            char *candidate = join(rest, length, name);
            int reason = executable(candidate);
            if (!reason)
                return candidate;
            /* A folder of PATH that may not be searched holds nothing for this user. */
            if (reason == EACCES && !access(candidate, F_OK))
                error = reason;
            free(candidate);
            rest = rest[length] ? rest + length + 1 : NULL;
        }
    }
    int status = error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
    die(status, "%s: %s", *name ? name : "''", strerror(error));
}

static void refuse(const char *path, const char *reason)
{
    problem("%s: memory cannot be locked: %s", path, reason);
}

bool is_own_elf(const Elf64_Ehdr *header)
{
    return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_machine == OWN_MACHINE && header->e_phentsize == sizeof(Elf64_Phdr);
}

int names_loader(int file, const Elf64_Ehdr *header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t place = (off_t)(header->e_phoff + (Elf64_Off)i * sizeof segment);
        ssize_t length = pread(file, &segment, sizeof segment, place);
        if (length != sizeof segment) {
            errno = length < 0 ? errno : ENOEXEC;
            return -1;
        }
        if (segment.p_type == PT_INTERP)
            return 1;
    }
    return 0;
}

/* Refuses what ld.so(8) does not get to see, or preloads nothing into. */
static void check_elf(const char *path, int file, const Elf64_Ehdr *header)
{
    int dynamic = names_loader(file, header);
    struct stat status;
    if (dynamic < 0 || fstat(file, &status)) {
        refuse(path, strerror(errno));
        return;
    }
    bool capable = fgetxattr(file, "security.capability", NULL, 0) >= 0;
    if (!capable && errno != ENODATA && errno != ENOTSUP)
        refuse(path, strerror(errno));
    else if (!dynamic)
        refuse(path, "it is statically linked, so librtnode.so cannot be preloaded; let it call mlockall(2) itself and "
                     "leave out lock-memory");
    else if (capable || status.st_mode & (S_ISUID | S_ISGID))
        refuse(path, "it is set-user-ID, set-group-ID or has file capabilities, and ld.so(8) preloads nothing into "
                     "those");
}

static void check_file(const char *path, unsigned depth);

static void check_script(const char *path, const char *line, unsigned depth)
{
    char interpreter[256] = "";
    if (sscanf(line, "#! %255s", interpreter) != 1) {
        refuse(path, "its first line names no interpreter");
        return;
    }
    const char *base = strrchr(interpreter, '/');
    if (!strcmp(base ? base + 1 : interpreter, "env"))
        /* env would be locked, and lose the lock when it executes the interpreter. */
        refuse(path, "it is started through env(1), and a lock does not survive exec; name the interpreter: "
                     "rt-launch ... python3 FILE");
    else if (depth == MAX_INTERPRETERS)
        refuse(path, strerror(ELOOP));
    else
        check_file(interpreter, depth + 1);
}

static void check_file(const char *path, unsigned depth)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        refuse(path, strerror(errno));
        return;
    }
    union {
        Elf64_Ehdr header;
        char text[258];
    } start = {.text = ""};
    ssize_t length = pread(file, &start, sizeof start.text - 1, 0);
    if (length < 0) {
        refuse(path, strerror(errno));
    } else if (!strncmp(start.text, "#!", 2)) {
        start.text[strcspn(start.text, "\n")] = '\0';
        check_script(path, start.text, depth);
    } else if ((size_t)length < sizeof start.header || !is_own_elf(&start.header)) {
        refuse(path, "it is no 64-bit ELF program of this architecture");
    } else {
        check_elf(path, file, &start.header);
    }
    close(file);
}

void check_preloadable(const char *path)
{
    check_file(path, 0);
}
