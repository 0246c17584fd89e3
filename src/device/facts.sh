# What a board says of itself, as members of a JSON object: part of rtnodectl, which sources this file. From files of the
# kernel alone, and null where there is none.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root is rtnodectl's

# Sets value to the first line of a file, or to nothing.
read_value() {
    value=''
    # A device tree's text ends with a NUL and no newline, which read calls a failure.
    { IFS= read -r value <"$1"; } 2>/dev/null || :
}

is_integer() {
    case ${1#-} in
    '' | *[!0-9]* | ??????????*) return 1 ;;
    esac
}

# uname(1)'s words are release, version and machine; only the version has blanks.
put_kernel() {
    kernel=$(uname -rvm)
    version=${kernel#* }
    realtime=false
    # Kernels with the RT patches have the file.
    read_value "$root/sys/kernel/realtime"
    case "$value $version" in
    '1 '* | *PREEMPT_RT*) realtime=true ;;
    esac
    printf '"kernel":{"version":'
    json_string "${kernel%% *}"
    isolated=null
    file=$root/sys/devices/system/cpu/isolated
    if [ -r "$file" ]; then
        read_value "$file"
        isolated=$(json_string "$value")
    fi
    printf ',"realtime":%s,"isolatedCpus":%s},"architecture":' "$realtime" "$isolated"
    json_string "${kernel##* }"
}

put_board() {
    read_value "$root/proc/device-tree/model"
    [ -n "$value" ] || read_value "$root/sys/class/dmi/id/product_name"
    printf '"board":'
    json_or_null "$value"
}

put_uptime() {
    read_value "$root/proc/uptime"
    value=${value%%.*}
    is_integer "$value" || value=null
    printf '"uptimeSeconds":%s' "$value"
}

# Of the processor: the hottest of its zones. Others are radios, batteries and chargers.
put_temperature() {
    hottest=''
    for zone in "$root"/sys/class/thermal/thermal_zone*; do
        read_value "$zone/type"
        case $value in
        *cpu* | *CPU* | *soc* | *core* | *pkg*) ;;
        *) continue ;;
        esac
        # Thousandths of a degree; a zone whose sensor sleeps cannot be read.
        read_value "$zone/temp"
        is_integer "$value" || continue
        if [ -z "$hottest" ] || [ "$value" -gt "$hottest" ]; then hottest=$value; fi
    done
    printf '"temperatureC":'
    if [ -z "$hottest" ]; then
        printf null
    elif [ "$hottest" -lt 0 ]; then
        printf '%d' "$((hottest / 1000))"
    else
        printf '%d.%d' "$((hottest / 1000))" "$((hottest % 1000 / 100))"
    fi
}

# underVoltage: a Raspberry Pi's firmware saw it in the last seconds (Documentation/hwmon/raspberrypi-hwmon.rst).
# frequencyCapped: the kernel holds the processor back because it is hot (sysfs-class-thermal: cooling_device*/cur_state).
# Not read: soc:firmware/get_throttled, which knows more, and at which the kernel logs a warning with a stack trace.
put_throttling() {
    voltage=null capped=null
    for sensor in "$root"/sys/class/hwmon/hwmon*; do
        read_value "$sensor/name"
        [ "$value" = rpi_volt ] || continue
        read_value "$sensor/in0_lcrit_alarm"
        case $value in
        0) voltage=false ;;
        1) voltage=true ;;
        esac
    done
    for device in "$root"/sys/class/thermal/cooling_device*; do
        read_value "$device/type"
        case $value in
        cpufreq-* | thermal-cpufreq-* | Processor) ;;
        *) continue ;;
        esac
        read_value "$device/cur_state"
        is_integer "$value" || continue
        if [ "$value" -gt 0 ]; then capped=true; elif [ "$capped" = null ]; then capped=false; fi
    done
    printf '"throttling":'
    case "$voltage $capped" in
    'null null') printf null ;;
    *) printf '{"underVoltage":%s,"frequencyCapped":%s}' "$voltage" "$capped" ;;
    esac
}
