# How the nodes are: part of rtnodectl, which sources this file. systemd is asked once for all of them, and so is the
# launcher: on a slow board each process that is started takes as long as everything else here.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # launcher, newline and problems are rtnodectl's, pending_id is release.sh's

# What the launcher would say, as members of a JSON object, of a node that has no process.
no_process='"pid":null,"policy":null,"priority":null,"cpus":null,"lockedKiB":null,"stats":null,"threads":[]'

# Calls a function for each node, with name, state, pid, restarts, reason (the unit's status line) and process (what the
# launcher says of the pid) set.
for_each_node() {
    names=$(node_names)
    [ -n "$names" ] || return 0
    ask_systemd
    ask_launcher
    while read -r name state pid restarts reason; do
        read_process
        "$1"
    done <<end
${units_shown%"$newline"}
end
}

# Sets units_shown to a line for each node, `NAME STATE PID RESTARTS REASON`, and pids.
ask_systemd() {
    set --
    for name in $names; do set -- "$@" "rtnode@$name.service"; done
    units_shown='' pids='' reached=1
    shown=$(systemctl show --property=Id,ActiveState,MainPID,NRestarts,StatusText -- "$@") || reached=0
    name='' state=unknown pid=0 restarts=0 reason=''
    # A unit's properties come in no certain order; an empty line ends them.
    while IFS= read -r line; do
        value=${line#*=}
        case $line in
        Id=*)
            name=${value#rtnode@}
            name=${name%.service}
            ;;
        ActiveState=?*) state=$value ;;
        MainPID=?*) pid=$value ;;
        NRestarts=?*) restarts=$value ;;
        StatusText=*) reason=$value ;;
        '')
            [ -z "$name" ] || units_shown="$units_shown$name $state $pid $restarts $reason$newline"
            [ "$pid" = 0 ] || pids="$pids $pid"
            name='' state=unknown pid=0 restarts=0 reason=''
            ;;
        esac
    done <<end
$shown

end
    if [ "$reached" = 0 ]; then complain "systemctl cannot say how the nodes are"; fi
    # Also when it is not known, a node is there.
    for name in $names; do
        case $newline$units_shown in
        *"$newline$name "*) ;;
        *) units_shown="$units_shown$name unknown 0 0 $newline" ;;
        esac
    done
}

# Sets processes to what the launcher says of each of pids that there is, a line each.
ask_launcher() {
    processes=''
    [ -n "$pids" ] || return 0
    asked=0
    # shellcheck disable=SC2086 # numbers
    processes=$("$launcher" show --json $pids) || asked=$?
    case $asked in
    # 1: some ended since systemd was asked.
    0 | 1) ;;
    *) complain "$launcher cannot say how the processes$pids are" ;;
    esac
}

# Sets process. The program's own name, which comes before, is not the node's; it cannot be taken for a key, since its
# quotation marks are escaped.
read_process() {
    process=$no_process
    [ "$pid" != 0 ] || return 0
    set -f
    IFS=$newline
    for line in $processes; do
        members=${line#*'"pid":'}
        case $members in
        "$pid",*)
            process='"pid":'${members%'}'}
            break
            ;;
        esac
    done
    unset IFS
    set +f
}

json_string() {
    case $1 in
    *[!a-zA-Z0-9\ ._:/@+,\(\)#~-]*)
        # A release's folder and a kernel's version may be called anything: what is not printable ASCII becomes a question mark.
        printf '"%s"' "$(printf '%s' "$1" | tr -c ' -~' '?' | sed 's/[\\"]/\\&/g')"
        ;;
    *) printf '"%s"' "$1" ;;
    esac
}

json_or_null() {
    if [ -n "$1" ]; then json_string "$1"; else printf null; fi
}

# Sets value to the first value of a key in $process, or to - when it is null or not there.
value_of() {
    value=-
    case $process in
    *"\"$1\":"*) ;;
    *) return 0 ;;
    esac
    value=${process#*"\"$1\":"}
    case $value in
    null*) value=- ;;
    '"'*)
        value=${value#'"'}
        value=${value%%'"'*}
        ;;
    *) value=${value%%[,\}]*} ;;
    esac
}

status_json() {
    read_pending
    printf '{"release":'
    linked current
    json_or_null "$link"
    printf ',"previous":'
    linked previous
    json_or_null "$link"
    printf ',"pending":'
    json_or_null "$pending_id"
    for fact in went_back record kernel board uptime temperature throttling; do
        printf ,
        "put_$fact"
    done
    printf ',"nodes":['
    between=''
    for_each_node node_json
    printf ']}\n'
    return "$problems"
}

node_json() {
    printf '%s{"name":"%s","state":"%s","restarts":%s,"reason":' "$between" "$name" "$state" "$restarts"
    json_or_null "$reason"
    printf ',%s}' "$process"
    between=,
}

status_text() {
    row NAME STATE PID POLICY PRIORITY CPUS LOCKEDKIB CYCLES OVERRUNS P99/US FAULTS
    for_each_node node_text
    return "$problems"
}

row() {
    printf '%-20s %-12s %7s %-8s %8s %-8s %9s %10s %8s %7s %6s\n' "$@"
}

node_text() {
    set -- "$name" "$state"
    # The first p99 is that of the wake-up.
    for key in pid policy priority cpus lockedKiB cycles overruns p99 minorFaults; do
        value_of "$key"
        set -- "$@" "$value"
    done
    value_of majorFaults
    faults=${11}+$value
    row "$1" "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$9" "${10}" "$faults"
}
