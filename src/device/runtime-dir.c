#include "runtime-dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/*
 * In memory: pages of a file on a disk become read-only each time they are written back, and fault when they are written
 * to again. Everybody may write to /dev/shm: the folder must be nobody else's, and no link.
 */
static int own_folder(char folder[PATH_MAX])
{
    snprintf(folder, PATH_MAX, "/dev/shm/rtnode-%u", geteuid());
    if (mkdir(folder, 0700) && errno != EEXIST)
        return -errno;
    struct stat status;
    if (lstat(folder, &status))
        return -errno;
    return S_ISDIR(status.st_mode) && status.st_uid == geteuid() ? 0 : -EPERM;
}

int runtime_path(char path[PATH_MAX], const char *name, const char *ending)
{
    size_t length = strlen(name);
    if (length < 1 || length > 63 || *name == '.' || strspn(name, allowed) != length)
        return -EINVAL;
    char own[PATH_MAX];
    const char *folder = getenv("RTNODE_RUNTIME_DIR");
    if (!folder || !*folder)
        folder = "/run/rtnode";
    if (access(folder, W_OK) && !strcmp(folder, "/run/rtnode")) {
        int error = own_folder(own);
        if (error)
            return error;
        folder = own;
    }
    int written = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, ending);
    return written < 0 || written >= PATH_MAX ? -ENAMETOOLONG : 0;
}
