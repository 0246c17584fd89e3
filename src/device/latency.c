#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apply.h"
#include "report.h"
#include "values.h"

static const char device[] = "/dev/cpu_dma_latency";
static const char driver[] = "/sys/devices/system/cpu/cpuidle/current_driver";

/* True when the CPUs have idle states to keep out of: virtual machines and kernels without CPU_IDLE have none. */
static bool has_idle_states(void)
{
    char name[32] = "";
    FILE *file = fopen(driver, "re");
    if (!file)
        return errno != ENOENT;
    bool known = fgets(name, sizeof name, file);
    fclose(file);
    return !known || strcmp(name, "none\n") != 0;
}

/* The same file above standard input, output and error, which a careless starter may have left closed; or -1. */
static int above_standard(int descriptor)
{
    if (descriptor > STDERR_FILENO)
        return descriptor;
    int higher = fcntl(descriptor, F_DUPFD, STDERR_FILENO + 1);
    int error = errno;
    close(descriptor);
    errno = error;
    return higher;
}

void apply_latency(const struct options *options)
{
    if (!is_realtime(options->policy))
        return;
    /* Without O_CLOEXEC: the request holds for as long as the descriptor is open (Documentation/power/pm_qos_interface.rst). */
    int descriptor = open(device, O_RDWR);
    if (descriptor < 0) {
        int error = errno;
        bool absent = error == ENOENT || error == ENXIO || error == ENODEV;
        const char *remedy = error == EACCES
                                 ? "join group realtime and log in again (its udev rule gives it the device)"
                                 : "give it to the container (--device), or DeviceAllow= it in the unit";
        if (!absent || has_idle_states())
            problem("open: %s: %s: idle states cannot be held off; %s", device, strerror(error), remedy);
        return;
    }
    descriptor = above_standard(descriptor);
    /* What is read is the smallest request of all processes. */
    int32_t wanted = 0, got = -1;
    if (descriptor < 0)
        problem("fcntl: %s: %s: idle states are not held off", device, strerror(errno));
    else if (write(descriptor, &wanted, sizeof wanted) != sizeof wanted)
        /* Stays open without effect when problems only warn. */
        problem("write: %s: %s: idle states are not held off", device, strerror(errno));
    else if (pread(descriptor, &got, sizeof got, 0) != sizeof got)
        problem("pread: %s: %s: nothing says that idle states are held off", device, strerror(errno));
    else if (got != wanted)
        problem("pread: %s reads back as %" PRId32 " us, %" PRId32 " was written", device, got, wanted);
}

void check_rt_kernel(void)
{
    struct utsname kernel;
    if (uname(&kernel))
        die(EXIT_LAUNCHER, "uname: %s", strerror(errno));
    /* /proc/version and uname(2) say it for every kernel; /sys/kernel/realtime only exists with the RT patches. */
    if (!strstr(kernel.version, "PREEMPT_RT"))
        problem("uname: the kernel %s is not PREEMPT_RT (%s), which was required; boot a kernel with CONFIG_PREEMPT_RT=y",
                kernel.release, kernel.version);
}
