# Puts settings of the running system back to what the board sets at boot: part of rtnodectl, which sources this file. The
# words are all that `rtkit doctor --fix` can ask for; none of them is a value.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root is rtnodectl's

mend() {
    for setting; do
        case $setting in
        governor | memory | interrupts | fair_server | settings | throttling | swap) ;;
        *) usage ;;
        esac
    done
    for setting; do
        case $setting in
        settings)
            # Names, not paths: also what somebody put in front of it in /etc counts.
            "$root/usr/lib/systemd/systemd-sysctl" 60-realtime.conf || complain "the kernel refuses a setting"
            ;;
        throttling) mend_throttling ;;
        swap) mend_swap ;;
        *) "$root/usr/lib/rtnode/rt-tune" "$setting" || complain "rt-tune $setting failed" ;;
        esac
    done
}

# The default of Documentation/scheduler/sched-rt-group.rst; rt-tune says what this does to the fair servers.
mend_throttling() {
    limit=$root/proc/sys/kernel/sched_rt_runtime_us
    { echo 950000 >"$limit"; } 2>/dev/null || complain "$limit does not take 950000"
}

# What is in swap has to fit into memory, with a tenth to spare.
mend_swap() {
    used=0 available=0
    while read -r _ _ _ kib _; do
        is_integer "$kib" && used=$((used + kib))
    done <"$root/proc/swaps"
    while read -r name kib _; do
        [ "$name" != MemAvailable: ] || available=$kib
    done <"$root/proc/meminfo"
    if [ "$((used + used / 10))" -ge "$available" ]; then
        complain "swap stays: $used KiB are in it, and $available KiB of memory are free"
        return
    fi
    swapoff --all || complain "swap cannot be switched off"
}
