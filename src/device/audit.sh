#!/bin/sh
# Prints what `rtkit doctor TARGET` judges a system by: `[SECTION]` lines, and below them lines that begin with a blank. As
# `rtnodectl audit` it runs as root; another system's user gives it to a shell and sees what he may see. Changes nothing.
set -u
# Over ssh the folders of administrators' programs are often not there.
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export LC_ALL PATH

launcher=/usr/lib/rtnode/rt-launch

# Prints a section: what a command says, its lines and their number bounded. No line of it can pass for a section's head.
longest=4096
section() {
    printf '[%s]\n' "$1"
    shift
    "$@" 2>/dev/null | awk -v longest="$longest" 'NR > 20000 { exit } { print " " substr($0, 1, longest) }'
}

# PATH:LINE for each line of the files that there are; grep(1) is one process for all of them.
files() { grep -asH '' "$@"; }

system() {
    echo "uid $(id -u)"
    # Release, version and machine; only the version has blanks.
    echo "uname $(uname -rvm)"
    echo "virtualization $(systemd-detect-virt)"
    # The strictest request that a process holds, in microseconds (Documentation/power/pm_qos_interface.rst).
    echo "latency $(od -An -td4 -N4 /dev/cpu_dma_latency)"
}

kernel_files() {
    cpus=/sys/devices/system/cpu
    files /etc/os-release /proc/device-tree/model /sys/class/dmi/id/product_name \
        /proc/cmdline /proc/swaps /sys/kernel/realtime /sys/fs/cgroup/cpu/cpu.rt_runtime_us \
        "$cpus"/online "$cpus"/isolated "$cpus"/nohz_full \
        "$cpus"/cpufreq/policy*/scaling_governor "$cpus"/cpu[0-9]*/cpuidle/state*/name \
        "$cpus"/cpu[0-9]*/cpuidle/state*/latency "$cpus"/cpu[0-9]*/cpuidle/state*/disable \
        /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/ksm/run \
        /sys/devices/system/clocksource/clocksource0/current_clocksource \
        /sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp \
        /sys/class/thermal/cooling_device*/type /sys/class/thermal/cooling_device*/cur_state \
        /sys/class/hwmon/hwmon*/name /sys/class/hwmon/hwmon*/in0_lcrit_alarm
    # Reading sched_rt_runtime_us makes Debian's 6.12 forget the bandwidth of its fair servers, which the next change to
    # them has to know (overlay rt-limits, rt-tune); nothing that runs notices.
    files /proc/sys/kernel/sched_rt_runtime_us /proc/sys/kernel/sched_rt_period_us \
        /proc/sys/kernel/timer_migration /proc/sys/kernel/nmi_watchdog /proc/sys/kernel/hung_task_timeout_secs \
        /proc/sys/kernel/sched_schedstats /proc/sys/vm/stat_interval /proc/sys/vm/swappiness \
        /proc/sys/vm/compact_unevictable_allowed
    # For root alone.
    files /sys/kernel/debug/sched/fair_server/cpu*/runtime
}

interrupts() {
    files /proc/irq/default_smp_affinity /proc/irq/[0-9]*/smp_affinity_list /proc/irq/[0-9]*/effective_affinity_list \
        /sys/kernel/irq/[0-9]*/actions
}

# Those that can be moved: the kernel lets nobody write to the others' files (kernel/irq/proc.c, register_irq_proc). Older
# ones say so only when it is tried.
movable() {
    find /proc/irq -mindepth 2 -maxdepth 2 -name smp_affinity_list -perm -200
}

settings() {
    grep -asHE '^(Storage|SystemMaxUse|ForwardTo[A-Za-z]*)=' /etc/systemd/journald.conf /etc/systemd/journald.conf.d/*.conf \
        /usr/lib/systemd/journald.conf.d/*.conf /run/systemd/journald.conf.d/*.conf
    grep -asHE '^ *makestep ' /etc/chrony/chrony.conf /etc/chrony/conf.d/*.conf
    grep -asHE '^[^#]*(rtprio|memlock)' /etc/security/limits.conf /etc/security/limits.d/*.conf
    # What a node asks for; not its environment, which may be secret.
    grep -asHE '^(policy|priority|cpus|lock-memory|rttime)( |$)' /opt/rtnode/current/nodes/*.conf
    ls -d /var/log/journal
}

kernel_config() {
    if [ -r /proc/config.gz ]; then
        zcat /proc/config.gz | grep '^CONFIG_'
    else
        grep '^CONFIG_' "/boot/config-$(uname -r)"
    fi
}

# The nodes of the active release, by name: systemd forgets units that do not run, and a pattern would not match those.
node_units() {
    set --
    for conf in /opt/rtnode/current/nodes/*.conf; do
        name=${conf##*/}
        name=${name%.conf}
        case $name in
        -* | *[!a-z0-9-]*) ;;
        *) set -- "$@" "rtnode@$name.service" ;;
        esac
    done
    [ $# -eq 0 ] ||
        systemctl show --property=Id,ActiveState,MainPID,LimitRTPRIO,LimitMEMLOCK,LimitRTTIME -- "$@" 2>/dev/null
}

# The calls of each node's loop that write (proc_pid_io(5)): two looks at them, and the time between.
writes() {
    for pid in $pids; do
        grep -asHE '^(wchar|syscw):' "/proc/$pid/task/$pid/io"
    done
}

echo 'rtnode-audit 1'
section system system
section files kernel_files
section interrupts interrupts
section movable movable
section settings settings
section config kernel_config
section units systemctl list-units --state=active --plain --no-legend --no-pager \
    --type=service,timer,swap
section manager systemctl show --property=DefaultLimitRTPRIO,DefaultLimitMEMLOCK,DefaultLimitRTTIME
if [ -x "$launcher" ]; then
    units=$(node_units)
    pids=$(printf '%s\n' "$units" | sed -n 's/^MainPID=\([1-9][0-9]*\)$/\1/p')
    section node-units printf '%s\n' "$units"
    if [ -n "$pids" ]; then
        section writes writes
        sleep 2
        section writes-later writes
        # A line has a process with all of its threads, more than a hundred bytes for each.
        longest=65536
        # shellcheck disable=SC2086 # numbers
        section nodes "$launcher" show --json $pids
        longest=4096
    fi
fi
section stat cat /proc/[0-9]*/task/[0-9]*/stat
section cpus grep -asH '^Cpus_allowed_list:' /proc/[0-9]*/task/[0-9]*/status
section cgroups grep -asH '^0::' /proc/[0-9]*/cgroup
echo '[end]'
