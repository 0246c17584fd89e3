# How late the board wakes under load: part of rtnodectl, which sources this file. cyclictest on every CPU, the nodes' own
# loops and stress-ng run beside each other; what they come to is told once a second, in lines:
#
#   missing PACKAGE             a Debian package that is needed and not there, and nothing else was done
#   begin {...} | end {...}     what `rtnodectl status --json` says, before and after
#   settings {...}              what the kernel was told: governor, isolated CPUs, clock source, ...
#   second UPTIME {...}         temperature, throttling, and whether the load still runs
#   {...}                       of each node, `rt-launch show --json --bins`
#   T: 0 ( 123) P:80 ...        of each CPU, cyclictest's own status line
#   cyclictest TEXT             a line of the file that cyclictest wrote
#   blame TEXT                  a line of what rtla said (--blame: it runs in cyclictest's place)
#   said TEXT                   what the programs said besides, as a rule why they failed
#
# All of them end, and nothing is left, when standard input does: who asked is gone.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root, opt, launcher, newline and problems are rtnodectl's, pids is status.sh's, value is facts.sh's

# Above the nodes (2 to 49) and the interrupt threads (50): what it measures is the kernel.
measure_priority=80
# Microseconds from one wake-up to the next. A virtual machine's CPUs would do nothing else at the shorter one.
measure_interval=200
measure_interval_virtual=1000
# Microseconds up to which cyclictest has a bin for each.
measure_limit=20000
# A week.
longest=604800

latency() {
    seconds=$1 loads=$2 threshold=$3
    if ! is_count "$seconds" || [ "$seconds" -gt "$longest" ]; then
        refuse "'$seconds' is not a number of seconds up to $longest"
    fi
    if [ -n "$threshold" ] && ! is_count "$threshold"; then refuse "'$threshold' is not a number of microseconds"; fi
    choose_stressors
    tell_missing
    take_turn latency
    # What a power cut left.
    rm -rf "$opt"/latency.*
    measuring='' loading='' listening='' work=''
    trap stop_measuring EXIT
    trap 'exit 1' HUP INT TERM PIPE
    # On the card, which the load `disk` is to keep busy, and not in memory.
    work=$(mktemp -d "$opt/latency.XXXXXX")
    listen
    pids=''
    printf 'begin '
    status_json || :
    nodes=$pids
    start_load
    sleep 1
    print_settings
    : >"$work/said"
    exec 7<"$work/said"
    if [ -z "$threshold" ]; then start_cyclictest; else start_rtla; fi
    print_second
    while sleep 1 && runs "$measuring"; do print_second; done
    failed=0
    wait "$measuring" || failed=$?
    measuring=''
    print_second
    stop "$loading"
    loading=''
    printf 'end '
    status_json || :
    print_lines cyclictest "$work/cyclictest.json"
    print_lines blame "$work/rtla"
    [ "$failed" = 0 ] || complain "what measured ended with status $failed"
    exit "$problems"
}

# A number from 1 on that the shell can calculate with.
is_count() {
    case $1 in
    '' | 0* | *[!0-9]* | ?????????*) return 1 ;;
    esac
}

# Sets stressors to stress-ng's words for the loads, or to nothing for `none`. Its children number as many as there are
# CPUs where that says 0.
choose_stressors() {
    stressors=''
    case $loads in
    none) return 0 ;;
    ,* | *, | *,,* | '') refuse "'$loads' is no list of loads" ;;
    esac
    IFS=,
    for load in $loads; do
        case $load in
        cpu) stressors="$stressors --cpu 0" ;;
        # Written through to the card, in one small file at a time.
        disk) stressors="$stressors --hdd 1 --hdd-bytes 32m --hdd-opts wr-seq,fsync" ;;
        # On the loopback: the kernel's network stack, not the card's interrupts.
        net) stressors="$stressors --sock 1 --udp 1" ;;
        # A fifth of the memory, and as much traffic to it as one CPU can make.
        memory) stressors="$stressors --vm 1 --vm-bytes 20% --stream 1" ;;
        *) refuse "'$load' is no load: cpu, disk, net, memory or none" ;;
        esac
    done
    unset IFS
}

# Ends here, with a line for each, when packages are missing.
tell_missing() {
    missing=''
    if [ -n "$threshold" ]; then
        command -v rtla >/dev/null || missing="$missing rtla"
    else
        command -v cyclictest >/dev/null || missing="$missing rt-tests"
    fi
    [ -z "$stressors" ] || command -v stress-ng >/dev/null || missing="$missing stress-ng"
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # names
    printf 'missing %s\n' $missing
    exit 1
}

# Ends all of this when standard input does.
listen() {
    # A background job's standard input is /dev/null, unless it comes by another number.
    exec 3<&0
    {
        while read -r _; do :; done
        kill -TERM "$$"
    } <&3 >/dev/null 2>&1 &
    listening=$!
}

start_load() {
    [ -n "$stressors" ] || return 0
    # As nobody, in a folder of its own: what root writes beside it is not for it to replace.
    chmod 0711 "$work"
    mkdir "$work/load"
    chown nobody "$work/load"
    # shellcheck disable=SC2086 # words of choose_stressors
    setpriv --reuid=nobody --regid=nogroup --clear-groups \
        stress-ng $stressors --temp-path "$work/load" --timeout "$((seconds + 60))s" --quiet >/dev/null 2>&1 &
    loading=$!
}

# On all CPUs, isolated ones too, which this process may not run on; its own main thread where this process may.
start_cyclictest() {
    taskset -c "$online" cyclictest --quiet --mlockall --smp --priority="$measure_priority" --interval="$interval" \
        --histogram="$measure_limit" --duration="$seconds" --mainaffinity="$own_cpus" --json="$work/cyclictest.json" \
        2>"$work/said" >/dev/null &
    measuring=$!
}

# Stops at the first wake-up that is later than the threshold, and says who was in its way. The trace of it is not kept.
start_rtla() {
    tracers=''
    read -r tracers <"$root/sys/kernel/tracing/available_tracers" || :
    case " $tracers " in
    *' timerlat '*) ;;
    *) refuse "the kernel has no timerlat tracer (CONFIG_TIMERLAT_TRACER)" ;;
    esac
    rtla timerlat top --quiet --cpus "$online" --duration "${seconds}s" --aa-only "$threshold" >"$work/rtla" 2>"$work/said" &
    measuring=$!
}

# One second of it, in one write each: cyclictest's own lines come from a file, not in between.
print_second() {
    signal_cyclictest
    read_value "$root/proc/uptime"
    uptime=${value%% *}
    loaded=false
    if [ -z "$stressors" ] || runs "$loading"; then loaded=true; fi
    printf 'second %s {%s,"loaded":%s}\n' "$uptime" "$(put_temperature && printf , && put_throttling)" "$loaded"
    # Of one that has ended it says nothing; the restarts tell.
    # shellcheck disable=SC2086 # numbers
    [ -z "$nodes" ] || "$launcher" show --json --bins $nodes 2>/dev/null || :
    while IFS= read -r line <&7; do
        case $line in
        'T:'*) printf '%s\n' "$line" ;;
        '#'*) ;;
        *) printf 'said %s\n' "$line" ;;
        esac
    done
}

# SIGUSR1 makes cyclictest print its status. Before all of its threads are there it dies of that.
signal_cyclictest() {
    [ -n "$measuring" ] && [ -z "$threshold" ] || return 0
    if runs "$measuring" && [ "$threads" -gt "$cpus" ]; then kill -USR1 "$measuring" || :; fi
}

# True while a child runs. Sets threads to how many it has.
runs() {
    state=Z threads=0
    while read -r key value _; do
        case $key in
        State:) state=$value ;;
        Threads:) threads=$value ;;
        esac
    done 2>/dev/null <"/proc/${1:-none}/status" || return 1
    [ "$state" != Z ]
}

print_lines() {
    [ -f "$2" ] || return 0
    sed "s/^/$1 /" "$2"
}

stop() {
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    for _ in 1 2 3 4 5; do
        runs "$1" || return 0
        sleep 1
    done
    kill -KILL "$1" 2>/dev/null || :
}

stop_measuring() {
    trap '' HUP INT TERM PIPE
    stop "$measuring"
    stop "$loading"
    [ -z "$listening" ] || kill -KILL "$listening" 2>/dev/null || :
    rm -rf "$work"
}

# Prints what a file of the kernel says in its first line as a member of a JSON object.
put_setting() {
    read_value "$root$2"
    # What the kernel says of no mask of CPUs.
    [ "$value" != '(null)' ] || value=''
    printf ',"%s":' "$1"
    json_or_null "$value"
}

# The same of a file below /proc/sys, which has no more than its first byte for a shell, that reads byte by byte.
put_sysctl() {
    printf ',"%s":' "$1"
    json_or_null "$(cat "$root/proc/sys/$2" 2>/dev/null)"
}

# Sets cpus to how many there are in a list like 0-2,4.
count_cpus() {
    cpus=0
    IFS=,
    for range in $1; do cpus=$((cpus + ${range#*-} - ${range%-*} + 1)); done
    unset IFS
}

# Also sets interval, online, cpus and own_cpus.
print_settings() {
    virtual=$(systemd-detect-virt --vm) || :
    case $virtual in
    none | '') virtual='' interval=$measure_interval ;;
    *) interval=$measure_interval_virtual ;;
    esac
    read_value "$root/sys/devices/system/cpu/online"
    online=$value own_cpus=$value
    count_cpus "$online"
    while read -r key value _; do
        [ "$key" != Cpus_allowed_list: ] || own_cpus=$value
    done </proc/self/status
    printf 'settings {"virtual":%s,"intervalUs":%s,"values":{%s}}\n' "$(json_or_null "$virtual")" "$interval" "$(put_settings)"
}

put_settings() {
    governors=''
    for file in "$root"/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do
        read_value "$file"
        case " $governors " in
        *" $value "*) ;;
        *) governors="$governors${governors:+ }$value" ;;
        esac
    done
    printf '"governor":'
    json_or_null "$governors"
    put_setting commandLine /proc/cmdline
    put_setting onlineCpus /sys/devices/system/cpu/online
    put_setting isolatedCpus /sys/devices/system/cpu/isolated
    put_setting noHzFullCpus /sys/devices/system/cpu/nohz_full
    put_setting interruptAffinity /proc/irq/default_smp_affinity
    put_setting clockSource /sys/devices/system/clocksource/clocksource0/current_clocksource
    put_setting idleDriver /sys/devices/system/cpu/cpuidle/current_driver
    put_sysctl rtRuntimeUs kernel/sched_rt_runtime_us
    put_sysctl timerMigration kernel/timer_migration
    put_setting hugePages /sys/kernel/mm/transparent_hugepage/enabled
    put_sysctl swappiness vm/swappiness
    printf ',"swap":%s' "$(swap_is_on)"
}

swap_is_on() {
    lines=0
    while read -r _; do lines=$((lines + 1)); done 2>/dev/null <"$root/proc/swaps" || :
    if [ "$lines" -gt 1 ]; then printf '"on"'; else printf '"off"'; fi
}
