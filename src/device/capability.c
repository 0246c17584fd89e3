#include "capability.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "report.h"

/* PROC_USER_INIT_INO of linux/proc_ns.h: the first user namespace always has this inode. */
static const ino_t first_namespace = 0xeffffffd;

bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) || !(data[capability / 32].effective >> (capability % 32) & 1U))
        return false;
    struct stat namespace;
    return stat("/proc/self/ns/user", &namespace) || namespace.st_ino == first_namespace;
}

void drop_ambient(void)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL))
        die(EXIT_LAUNCHER, "prctl: PR_CAP_AMBIENT_CLEAR_ALL: %s", strerror(errno));
    /* The one that the unit gives (rtnode@.service). */
    int left = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, (unsigned long)CAP_SYS_NICE, 0UL, 0UL);
    if (left < 0)
        die(EXIT_LAUNCHER, "prctl: PR_CAP_AMBIENT_IS_SET: %s", strerror(errno));
    if (left > 0)
        die(EXIT_LAUNCHER, "prctl: PR_CAP_AMBIENT_IS_SET: CAP_SYS_NICE was cleared and is still there");
}
