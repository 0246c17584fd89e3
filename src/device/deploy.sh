# A release that is sent and made current in one order: part of rtnodectl, which sources this file. A connection of ssh, sudo
# and a shell cost a slow board more than the work. Who sends says the list of files (receive.sh, SUMS) and waits; the board
# answers with a line, a JSON object of what it is on and of the files that it lacks. Unless the release is active already,
# those follow (ALL, BLOB, END), and the record that goes with the order (record.sh), or nothing but END.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # releases and newline are rtnodectl's, damaged, list and sums receive.sh's, pending_id release.sh's

# Sets wanted to the files that were not found here, between commas.
find_missing() {
    wanted=''
    read_text "$damaged"
    set -f
    IFS=$newline
    for line in $list; do
        digest=${line%% *}
        case $wanted in *"$digest"*) continue ;; esac
        case $newline$had in
        *"$newline$digest$newline"*) ;;
        *) ! [ -f "$new/${line#*  }" ] || continue ;;
        esac
        wanted="$wanted${wanted:+,}\"$digest\""
    done
    unset IFS
    set +f
}

answer() {
    read_pending
    printf '{"release":'
    json_or_null "$active"
    printf ',"previous":'
    linked previous
    json_or_null "$link"
    printf ',"pending":'
    json_or_null "$pending_id"
    put_signed
    printf ',"wanted":[%s]}\n' "$wanted"
}

# With a release that is here its list was sent all the same.
pass_list() {
    read_line
    [ "$word" = SUMS ] || refuse "deploy: what was sent is no release"
    need_size "$first"
    head -c "$first" >/dev/null
}

deploy() {
    need_id "$1"
    need_seconds "$2"
    take_turn receive
    linked current
    active=$link wanted=''
    if [ "$active" = "$1" ]; then
        answer
        return
    fi
    if is_whole "$1"; then
        trap 'exit 1' HUP INT TERM PIPE
        pass_list
        answer
        read_line
        [ "$word" = END ] || refuse "deploy: what was sent is no release"
    else
        begin_release
        take_list "$1"
        find_missing
        answer
        take_files
        finish_release "$1"
    fi
    read_line
    [ "$word" = END ] || keep_sent
    activate "$1" "$2"
}
