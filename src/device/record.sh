# The record of a deploy and its signature: part of rtnodectl, which sources this file. A record is a text of `key value`
# lines beside a release, not in it: of which sources it was made, and who put it here when. On a board that has
# allowed_signers a release becomes current only with a signed record that is newer than all before it: what was signed
# once cannot be used a second time.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root, opt, current and releases are rtnodectl's

# Keys that may sign (ssh-keygen(1), ALLOWED SIGNERS). Where it is, unsigned releases are refused.
allowed_signers=$root/etc/rtnode/allowed_signers
# The time of the newest signed record that was ever accepted, seconds since 1970.
newest=$opt/newest-record
# systemd-timesyncd makes it when a server has told the time. Before, a board without a clock chip lives in the past.
clock_is_set=$root/run/systemd/timesync/synchronized

# Bytes of a record, and of a signature.
record_limit=4096
# Seconds that a signer's clock may be ahead: whatever is wrong with its time zone.
ahead_limit=86400

is_signed() { [ -e "$allowed_signers" ] || [ -L "$allowed_signers" ]; }

# ---- take ----

take_part() {
    case $1 in
    '' | *[!0-9]* | ?????*) refuse "'$1' is no size of a record or signature" ;;
    esac
    [ "$1" -le "$record_limit" ] || refuse "a record, and a signature, has at most $record_limit bytes"
    take_bytes "$1" "$2"
}

# What comes with an order, into $sent.record and $sent.sig. Called before take_turn: a sender that stops in the middle
# keeps nobody waiting.
take_record() {
    read_line
    keep_sent
}

# The same, when its first line was read.
keep_sent() {
    [ "$word" = RECORD ] || refuse "what was sent is no record"
    # Where it stays, so that it only has to be renamed.
    sent=$opt/.sent-$$
    trap clean_up EXIT
    # Of one that was killed and had the same number.
    [ ! -e "$sent.sig" ] || rm -f "$sent.sig"
    take_part "$first" "$sent.record"
    record_size=$first
    read_line
    if [ "$word" = SIGNATURE ]; then
        take_part "$first" "$sent.sig"
        read_line
    fi
    [ "$word" = END ] || refuse "what was sent is no record"
}

# ---- check ----

stray='the record has a line that does not belong into a record'

# True for a line of a record.
valid_fact() {
    case $2 in
    '' | *[!\ -~]*) return 1 ;;
    esac
    [ ${#2} -le 256 ] || return 1
    case $1 in
    release) valid_id "$2" ;;
    time)
        case $2 in
        0* | *[!0-9]* | ?????????????*) return 1 ;;
        esac
        ;;
    git)
        case ${#2}:$2 in
        *:*[!0-9a-f]*) return 1 ;;
        40:* | 64:*) ;;
        *) return 1 ;;
        esac
        ;;
    dirty)
        case $2 in
        yes | no) ;;
        *) return 1 ;;
        esac
        ;;
    description | user | host) ;;
    *) return 1 ;;
    esac
}

# Each key at most once, with a value of printable ASCII that neither begins nor ends with a blank.
check_record() {
    keys=' ' signed_at='' record_of='' length=0
    while read -r key value; do
        valid_fact "$key" "$value" || refuse "$stray"
        case $keys in *" $key "*) refuse "the record says something twice" ;; esac
        keys="$keys$key "
        length=$((length + ${#key} + ${#value} + 2))
        case $key in
        time) signed_at=$value ;;
        release) record_of=$value ;;
        esac
    done <"$sent.record"
    # Of a NUL, of blanks and of a line without an end `read` shows nothing.
    [ "$length" = "$record_size" ] || refuse "$stray"
    [ -n "$signed_at" ] || refuse "the record does not say when"
    [ "$record_of" = "$1" ] || refuse "the record is not that of $1"
}

utc() { date -u -d "@$1" '+%Y-%m-%d %H:%M:%S UTC'; }

# Sets newest_time: 0 when no signed record was accepted yet.
read_newest() {
    newest_time=0
    [ -e "$newest" ] || return 0
    read -r newest_time <"$newest" || newest_time=''
    case $newest_time in
    '' | *[!0-9]*) return 1 ;;
    esac
}

check_signature() {
    [ -f "$sent.sig" ] || refuse "this board takes only signed releases, and there is no signature"
    said=$(ssh-keygen -Y verify -f "$allowed_signers" -I release -n rtkit-release -s "$sent.sig" \
        <"$sent.record" 2>&1) || refuse "the record is not signed by any of this board's signers: $said"
    read_newest || refuse "$newest cannot be read: nobody knows what is newer"
    [ "$signed_at" -gt "$newest_time" ] ||
        refuse "the record is of $(utc "$signed_at"), and one of $(utc "$newest_time") was accepted before:" \
            "it is sent a second time, or the clock of the computer that signed it is behind"
    [ -e "$clock_is_set" ] || return 0
    now=$(date +%s)
    [ "$signed_at" -le $((now + ahead_limit)) ] ||
        refuse "the record is of $(utc "$signed_at"), and it is $(utc "$now"):" \
            "the clock of the computer that signed it is ahead"
}

# Refuses an order for a release without the record that it needs. One that came waits for keep_record where it is: when the
# disk is full, nothing has changed.
stage_record() {
    [ ! -e "$opt/.newest-record.new" ] || rm -f "$opt/.newest-record.new"
    # Of those that were killed in the middle.
    for part in "$opt"/.sent-*; do
        process=${part##*/.sent-}
        [ ! -e "$part" ] || [ -d "/proc/${process%%.*}" ] || rm -f "$part"
    done
    if [ -z "$sent" ]; then
        if is_signed; then refuse "this board takes only signed releases, and there is no record"; fi
        return 0
    fi
    check_record "$1"
    if is_signed; then
        check_signature
        printf '%s\n' "$signed_at" >"$opt/.newest-record.new"
    fi
}

# ---- keep ----

# The release becomes current: what is known of it now is what came with this order, and is on the disk by now.
keep_record() {
    beside=$releases/$1
    if [ -z "$sent" ] && ! [ -e "$beside/record" ]; then return 0; fi
    # The signature goes first and comes last: a power cut leaves none that belongs to another record.
    [ ! -e "$beside/record.sig" ] || rm -f "$beside/record.sig"
    if [ -f "$opt/.newest-record.new" ]; then mv -T "$opt/.newest-record.new" "$newest"; fi
    if [ -n "$sent" ]; then mv -T "$sent.record" "$beside/record"; else rm -f "$beside/record"; fi
    if [ -n "$sent" ] && [ -f "$sent.sig" ]; then mv -T "$sent.sig" "$beside/record.sig"; fi
}

# ---- say ----

# Prints the record of a release; nothing when it has none.
show_record() {
    need_id "$1"
    [ -d "$releases/$1" ] || refuse "$1 is not here"
    [ ! -f "$releases/$1/record" ] || cat "$releases/$1/record"
}

# Members of status --json. The record was checked when it came.
put_record() {
    printf '"record":'
    if [ -s "$current/record" ]; then
        between='{'
        while read -r key value || [ -n "$key" ]; do
            printf '%s"%s":' "$between" "$key"
            case $key:$value in
            time:*) printf '%s' "$value" ;;
            dirty:yes) printf true ;;
            dirty:*) printf false ;;
            *) json_string "$value" ;;
            esac
            between=,
        done <"$current/record"
        printf '}'
    else
        printf null
    fi
    put_signed
}

# Which records it takes.
put_signed() {
    if is_signed; then printf ',"signed":true'; else printf ',"signed":false'; fi
    if read_newest; then printf ',"newestRecord":%s' "$newest_time"; else printf ',"newestRecord":null'; fi
}
