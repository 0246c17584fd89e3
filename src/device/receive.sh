# Taking a release from standard input: part of rtnodectl, which sources this file. What comes is lines, each with as many
# bytes after it as it says:
#   SUMS <bytes>            the list of the release's files, as sha256sum(1) writes it, first and once
#   ALL <bytes>             how much all files are that follow; those that do not say so are asked at each
#   BLOB <sha256> <bytes>   a file of the list that no release here has
#   END
# Nothing of it is believed: names come from a checked list only, sizes are bounded by the room that there is, and what
# appears in releases/ is whole, since it appears by rename when its files were checked and are on the disk.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # opt, releases, newline are rtnodectl's

# Bytes of a list of files: more than a thousand nodes. What is longer is read and looked through for nobody's good.
list_limit=262144
# KiB of a node's launch options, which the shell reads byte by byte at every boot.
conf_limit=64
# Sha256 of files that turned out to be damaged on this board: they are to be sent again.
damaged=$opt/damaged

digest_of() {
    set -- "$(sha256sum <"$1")"
    printf '%s' "${1%% *}"
}

# The digests of all files of all releases.
blobs() {
    for one in "$releases"/*/SHA256SUMS; do
        if [ -f "$one" ]; then cut -c 1-64 "$one"; fi
    done | sort -u | if [ -f "$damaged" ]; then grep -vxF -f "$damaged"; else cat; fi || :
}

# Sets word, first and second to those of the next line. In a process of its own, whose memory and time end before the
# board's do: `read` takes all that comes until a line ends, and lines of ours have 85 bytes at most.
read_line() {
    status=0
    line=$(
        # shellcheck disable=SC3045 # not POSIX; dash has them, and bash
        ulimit -v 16384 && ulimit -t 5
        IFS= read -r line && printf '%s' "$line"
    ) || status=$?
    [ "$status" -ne 1 ] || refuse "$verb: the connection ended in the middle"
    [ "$status" -eq 0 ] || refuse "$verb: what was sent is not for this: its lines do not end"
    word=${line%% *} first='' second=''
    case $line in *' '*) first=${line#* } ;; esac
    case $first in
    *' '*)
        second=${first#* }
        first=${first%% *}
        ;;
    esac
}

# Leading zeros would be octal to the shell.
need_size() {
    case $1 in
    '' | *[!0-9]* | 0?* | ????????????*) refuse "$verb: '$1' is no size" ;;
    esac
}

# Copies this many bytes of standard input to a file; fewer when the connection ends, which the next read_line says.
take_bytes() {
    need_size "$1"
    head -c "$1" >"$2" || refuse "$verb: ${2##*/} cannot be written; is the disk full?"
}

# KiB that a file of so many bytes takes, with its part of a folder.
kib_of() {
    blocks=$((($1 + 4095) / 4096))
    echo "$((blocks * 4))"
}

# Sets room to the KiB that are left; refuses when these are more, before any of them is written. Older releases go first.
find_room() {
    room=$(free_kib)
    [ "$1" -gt "$room" ] || return 0
    # What no board of this size can hold drives nothing out.
    [ "$1" -le "$(all_kib)" ] || refuse "$verb: it needs $1 KiB, and $releases has no more than $(all_kib) KiB in all"
    exec 8>&9
    take_turn
    make_room "$1"
    exec 9>&8
    room=$(free_kib)
    [ "$1" -le "$room" ] || refuse "$verb: it needs $1 KiB, and $releases has only $room KiB left"
}

# What a list may name.
valid_file() {
    case $1 in
    manifest.json) return 0 ;;
    nodes/*.conf | nodes/*.pyz | nodes/*.mjs | nodes/*.bin) ;;
    *) return 1 ;;
    esac
    node=${1#nodes/}
    valid_name "${node%.*}"
}

# The list may name manifest.json and files of nodes, each once, and nothing else.
check_list() {
    unlisted='the list of files names what does not belong into a release'
    [ "$(digest_of "$sums")" = "$1" ] || refuse "$verb: the list of files is not that of $1"
    read_text "$sums"
    # Each line ends, the last one too, and none is empty or has a NUL, which `read` would not show.
    case ${#had}:$newline$had in
    "$first:"*"$newline$newline"*) refuse "$verb: $unlisted" ;;
    "$first:"*) ;;
    *) refuse "$verb: $unlisted" ;;
    esac
    names=$newline digests=''
    list=${had%"$newline"}
    set -f
    IFS=$newline
    for line in $list; do
        name=${line#*  }
        { valid_id "${line%%  *}" && valid_file "$name" && [ "$line" = "${line%%  *}  $name" ]; } ||
            refuse "$verb: $unlisted"
        case $names in *"$newline$name$newline"*) refuse "$verb: the list of files names a file twice" ;; esac
        names=$names$name$newline
        digests=$digests${digests:+$newline}${line%%  *}
    done
    unset IFS
    set +f
    case $names in
    *"${newline}manifest.json$newline"*) ;;
    *) refuse "$verb: $unlisted: no manifest" ;;
    esac
}

# Gives one file another name. Linked, unless only one of the two is executable: a mode belongs to all names of a file.
same_file() {
    case ${1##*/}/${2##*/} in
    *.bin/*.bin) ln "$1" "$2" ;;
    *.bin/*) cp "$1" "$2" && chmod 644 "$2" ;;
    */*.bin) cp "$1" "$2" && chmod 755 "$2" ;;
    *) ln "$1" "$2" ;;
    esac
}

# Puts those files into their places that another release has: from now on they stay, whatever becomes of that release.
link_known() {
    # The lines of other releases' lists whose files are these.
    # shellcheck disable=SC2062 # the patterns come from standard input
    known=$(cd "$releases" && grep -HF --file=- -- */SHA256SUMS 2>/dev/null) <<end || :
$digests
end
    set -f
    IFS=$newline
    set --
    for line in $known; do
        file=$releases/${line%%/*}/${line##*  }
        digest=${line#*:}
        digest=${digest%%  *}
        case $newline$list$newline in
        # As nearly all: those of nodes that did not change. One program links them all.
        *"$newline$digest  nodes/${line##*/}$newline"*)
            case $*$newline in *"/${line##*/}$newline"*) continue ;; esac
            if [ -f "$file" ] && ! [ -L "$file" ]; then set -- "$@" "$file"; fi
            ;;
        esac
    done
    # One that is gone meanwhile is missed later.
    [ "$#" = 0 ] || ln -t "$new/nodes" -- "$@" || :
    for line in $list; do
        to=$new/${line#*  }
        ! [ -e "$to" ] || continue
        for other in $known; do
            case $other in *":${line%%  *}  "*) ;; *) continue ;; esac
            file=$releases/${other%%/*}/${other##*  }
            if [ -f "$file" ] && ! [ -L "$file" ] && same_file "$file" "$to"; then break; fi
        done
    done
    unset IFS
    set +f
}

# A file that was asked for, into all places that it has in this release.
take_blob() {
    digest=$1 size=$2
    need_size "$size"
    case $came in *" $digest "*) refuse "$verb: $digest was sent twice" ;; esac
    came="$came$digest "
    kib=$(kib_of "$size")
    [ "$kib" -le "$room" ] || find_room "$kib"
    room=$((room - kib))
    from=''
    set -f
    IFS=$newline
    for line in $list; do
        case $line in "$digest  "*) ;; *) continue ;; esac
        to=$new/${line#*  }
        case $to in
        *.conf) [ "$kib" -le "$conf_limit" ] || refuse "$verb: ${to##*/} has more than $conf_limit KiB" ;;
        esac
        # A link to another release's file, which must not be written to.
        [ ! -e "$to" ] || rm "$to"
        if [ -z "$from" ]; then
            take_bytes "$size" "$to"
            case $to in *.bin) chmod 755 "$to" ;; esac
            from=$to
        else
            same_file "$from" "$to"
        fi
    done
    unset IFS
    set +f
    [ -n "$from" ] || refuse "$verb: $digest is not of this release"
}

# The list, and what other releases have of it.
take_list() {
    read_line
    [ "$word" = SUMS ] || refuse "$verb: what was sent is no release"
    need_size "$first"
    [ "$first" -le "$list_limit" ] || refuse "$verb: a list of $first bytes is too long"
    find_room "$(kib_of "$first")"
    take_bytes "$first" "$sums"
    check_list "$1"
    # Before anything goes to make room: what is linked stays.
    link_known
}

# The files that were missing.
take_files() {
    came=' '
    read_line
    if [ "$word" = ALL ]; then
        need_size "$first"
        kib=$(kib_of "$first")
        [ "$kib" -le "$room" ] || find_room "$kib"
        read_line
    fi
    while [ "$word" = BLOB ]; do
        valid_id "$first" || refuse "$verb: '$first' is no sha256"
        take_blob "$first" "$second"
        read_line
    done
    [ "$word" = END ] || refuse "$verb: what was sent is no release"
}

# Each file is there and as the list says. One that was not sent and is not so is damaged on this board.
check_files() {
    set -f
    IFS=$newline
    for line in $list; do
        [ -f "$new/${line#*  }" ] || refuse "$verb: ${line%%  *} was not sent, and no release here has it"
    done
    unset IFS
    set +f
    checked=0
    bad=$(cd "$new" && sha256sum --check --strict --quiet SHA256SUMS 2>/dev/null) || checked=$?
    case $checked:$bad in
    0: | 1:?*) ;;
    *) refuse "$verb: the files could not be checked" ;;
    esac
    [ -n "$bad" ] || return 0
    for name in $(printf '%s' "$bad" | sed 's/: FAILED.*//'); do
        digest=$(sed -n "s|  $name\$||p" "$sums")
        case $came in *" $digest "*) refuse "$verb: a file is not as the list says: $name" ;; esac
        printf '%s\n' "$digest" >>"$damaged"
        complain "$verb: $name is damaged on this board; deploy again, and it is sent"
    done
    exit 1
}

# Word size, byte order and machine of an executable (elf(5)); nothing when it is none.
elf_kind() {
    # shellcheck disable=SC2046 # bytes
    set -- $(od -An -v -tx1 -N20 "$1")
    if [ "$#" -eq 20 ] && [ "$1$2$3$4" = 7f454c46 ]; then echo "$5 $6 ${19}${20}"; fi
}

# This board's is that of its own programs: a 64-bit kernel may have 32-bit programs only.
check_executables() {
    own=''
    for file in "$new"/nodes/*.bin; do
        [ -f "$file" ] || continue
        [ -n "$own" ] || own=$(elf_kind /proc/self/exe)
        kind=$(elf_kind "$file")
        [ -n "$kind" ] || refuse "$verb: ${file#"$new/"} is no executable"
        [ "$kind" = "$own" ] || refuse "$verb: ${file#"$new/"} is for $(name_kind "$kind"), and this board is $(name_kind "$own")"
    done
}

# Machines by their numbers in elf.h, little-endian.
name_kind() {
    case $1 in
    '02 01 3e00') echo x86_64 ;;
    '02 01 b700') echo aarch64 ;;
    '01 01 2800') echo arm ;;
    '02 01 f300') echo riscv64 ;;
    *) echo "another machine (ELF $1)" ;;
    esac
}

# Older releases are told by their time: one that comes is the newest, also when the clock says 1970.
be_newest() {
    ahead=0
    for other in "$releases"/*/SHA256SUMS; do
        # shellcheck disable=SC3013 # in POSIX since 2024; dash has it, and bash
        [ ! -e "$other" ] || [ "$sums" -nt "$other" ] || ahead=1
    done
    [ "$ahead" = 1 ] || return 0
    latest=0
    for time in $(stat -c %Y -- "$releases"/*/SHA256SUMS); do
        [ "$time" -le "$latest" ] || latest=$time
    done
    touch -d "@$((latest + 1))" "$sums"
}

# What is left of it when it ends in the middle.
clean_up() {
    [ -z "$new" ] || rm -rf "$new"
    for part in "$sent.record" "$sent.sig"; do
        [ -z "$sent" ] || [ ! -e "$part" ] || rm -f "$part"
    done
}

is_here() { [ -d "$releases/$1" ] && ! [ -L "$releases/$1" ]; }

# A card forgets too.
is_whole() {
    is_here "$1" && (cd "$releases/$1" && sha256sum --check --strict --quiet SHA256SUMS) >/dev/null 2>&1
}

# Makes the place where a release grows.
begin_release() {
    new=$releases/.new
    sums=$new/SHA256SUMS
    trap clean_up EXIT
    # The link that broke: without them the shell would end before the line above.
    trap 'exit 1' HUP INT TERM PIPE
    if [ -e "$new" ] || [ -L "$new" ]; then rm -rf "$new" 2>/dev/null || :; fi
    mkdir -p "$new/nodes" || refuse "$verb: $releases cannot be written"
}

# Checks what came, and puts it into its place.
finish_release() {
    check_files
    check_executables
    be_newest
    sync -f "$new" || refuse "$verb: the disk does not take it"
    [ ! -L "$releases/$1" ] || rm "$releases/$1"
    # It was not whole.
    ! is_here "$1" || rm -rf "${releases:?}/$1"
    mv -T "$new" "$releases/$1" || refuse "$verb: $releases cannot be written"
    # From here on it is another one's who sends. That it is here is on the disk when activate says so.
    new=''
}

receive() {
    need_id "$1"
    take_turn receive
    ! is_whole "$1" || return 0
    begin_release
    take_list "$1"
    take_files
    finish_release "$1"
}
