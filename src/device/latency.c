#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apply.h"
#include "report.h"
#include "values.h"

static const char device[] = "/dev/cpu_dma_latency";

void apply_latency(const struct options *options)
{
    if (!is_realtime(options->policy))
        return;
    /* Without O_CLOEXEC: the request holds for as long as the descriptor is open (Documentation/power/pm_qos_interface.rst). */
    int descriptor = open(device, O_WRONLY);
    if (descriptor < 0) {
        /* Virtual machines and kernels without CPU_IDLE have no such device, and no idle states to keep out of. */
        if (errno != ENOENT && errno != ENXIO && errno != ENODEV)
            problem("open: %s: %s: idle states cannot be held off; join group realtime and log in again (its udev rule "
                    "gives it the device)",
                    device, strerror(errno));
        return;
    }
    int32_t microseconds = 0;
    if (write(descriptor, &microseconds, sizeof microseconds) != sizeof microseconds)
        problem("write: %s: %s", device, strerror(errno));
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
