#!/bin/sh
# Installs the units next to this file: `sudo sh systemd/install.sh`. It can be run again at any time, reports
# each step, and starts nothing. It creates:
#   the system user `cratedigger`, who runs the units, and the state folder /var/lib/cratedigger (0700);
#   the group `cratedigger-readers`, whose members may read the store and the CSV files;
#   /etc/cratedigger with the client id and secret, which it asks for, and a key that encrypts grants;
#   the output folder, writable for that user; and the units in /etc/systemd/system.
# It runs as root, so it refuses files and folders that other users can change, and follows no link.
set -eu
umask 027
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

project=/srv/spotify
program=/usr/local/bin/cratedigger
set -- /srv/spotify/output
user=cratedigger
readers=cratedigger-readers
secrets=/etc/cratedigger
here=$(cd "$(dirname "$0")" && pwd -P)

say() { echo "install: $*"; }
fail() { echo "install: $*" >&2; exit 1; }

# A user who can write to a parent folder of this script could replace the script or the units.
owner=$(stat -c %u "$here")
trusted() { # $1: a path; $2: what it is
    [ ! -L "$1" ] || fail "$2 $1 is a symbolic link"
    case $(stat -c %u "$1") in
        0 | "$owner" | "${SUDO_UID:-0}") ;;
        *) fail "$2 $1 belongs to another user; use a folder of root" ;;
    esac
    # A sticky folder such as /tmp does not let others replace what is in it, but they may create more.
    [ -z "$(find "$1" -maxdepth 0 -perm /022)" ] || fail "$2 $1 can be changed by other users: chmod go-w '$1'"
}
[ "$owner" = 0 ] || [ "$owner" = "${SUDO_UID:-0}" ] || fail "the folder $here belongs to another user; copy it to a folder of root"
folder=$here
while :; do
    trusted "$folder" "the folder"
    [ "$folder" != / ] || break
    folder=$(dirname "$folder")
done
for file in "$here"/install.sh "$here"/cratedigger*.service "$here"/cratedigger*.timer; do
    trusted "$file" "the file"
done
[ "$(id -u)" = 0 ] || fail "this needs root: sudo sh $0"
[ -x "$program" ] || fail "$program does not exist: \`sudo make install PREFIX=/usr/local\` installs it"

# A user who can change a folder above could replace what root creates with a link.
plain() { # $1: a folder that may not exist yet
    [ ! -L "$1" ] || fail "$1 is a symbolic link; replace it with a folder, or name its target in the settings"
    above=$(dirname "$1")
    while [ ! -d "$above" ]; do above=$(dirname "$above"); done
    above=$(cd "$above" && pwd -P)
    while :; do
        trusted "$above" "the folder above $1,"
        [ "$above" != / ] || break
        above=$(dirname "$above")
    done
}

# Gives an existing folder to its user. A file with a second name may be somebody else's file, linked from here.
give() { # $1: owner and group; $2: a folder
    [ "$(cat /proc/sys/fs/protected_hardlinks 2> /dev/null || echo 1)" = 1 ] \
        || fail "fs.protected_hardlinks is off, so others could link files of root into $2: sysctl fs.protected_hardlinks=1"
    linked=$(find "$2" -xdev ! -type d -links +1 -print -quit)
    [ -z "$linked" ] || fail "$linked has a second name elsewhere, so its owner is not changed; move or copy it"
    chown -hR "$1" "$2"
}

if ! id "$user" > /dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/cratedigger --shell /usr/sbin/nologin "$user"
    say "created the system user $user"
fi
if ! getent group "$readers" > /dev/null; then
    groupadd --system "$readers"
    say "created the group $readers"
fi
# A member may keep the group of the output folder when the service's user changes a mode by hand.
usermod -a -G "$readers" "$user"
# A folder from another machine may belong to another user id.
plain /var/lib/cratedigger
install -d -m 0700 -o "$user" -g "$user" /var/lib/cratedigger
give "$user:$user" /var/lib/cratedigger
for folder in "$@"; do
    plain "$folder"
    # The set-group-ID bit gives the group to every file that is created in the folder.
    install -d -m 2750 -o "$user" -g "$readers" "$folder"
    give "$user:$readers" "$folder"
    runuser -u "$user" -- find "$folder" -type d -exec chmod g+s {} +
    say "$user may write to $folder, and the group $readers may read it"
done

# Readable for the group, so that `auth login` started by hand can use the credentials too.
plain "$secrets"
install -d -m 0750 -o root -g "$user" "$secrets"
give "root:$user" "$secrets"
keep() { # $1: file name; stdin: content
    new=$(mktemp "$secrets/.new-XXXXXX")
    cat > "$new"
    chown "root:$user" "$new"
    chmod 0640 "$new"
    mv -T "$new" "$secrets/$1"
    say "wrote $secrets/$1"
}
# Prints .env. Its folder belongs to a person, who could put a link to any file there, also between a check and the
# reading. So it is read with the rights of that person, and what was opened is checked, not what has the name now.
read_env() {
    trusted "$project" "the project folder"
    person=$(stat -c %U "$project")
    [ "$person" != UNKNOWN ] || fail "the project folder $project belongs to a user without a name"
    if [ "$person" = "$(id -un)" ]; then set -- sh; else set -- runuser -u "$person" -- sh; fi
    "$@" -c '
        [ -f "$1" ] && [ ! -L "$1" ] || { echo "it is not a regular file" >&2; exit 1; }
        exec < "$1"
        case $(stat -L -c "%F,%h,%U,$2" /proc/self/fd/0) in
            "regular file,1,$2,$2" | "regular file,1,"*",root") ;;
            *) echo "it is not a regular file of $2 with one name" >&2; exit 1 ;;
        esac
        case $(stat -L -c %a /proc/self/fd/0) in
            *[2367][0-7] | *[2367]) echo "other users can change it" >&2; exit 1 ;;
        esac
        head -c 65536
    ' sh "$project/.env" "$person" \
        || fail "$project/.env is not read; repair it, or write the values to files in $secrets"
}
ask() { # $1: variable; $2: file for its value; $3: whether it is shown while it is typed
    [ ! -s "$secrets/$2" ] || return 0
    value=
    if [ -e "$project/.env" ] || [ -L "$project/.env" ]; then
        text=$(read_env) || exit 1
        value=$(printf '%s\n' "$text" | sed -n "s/^\(export \)\{0,1\}$1=//p" | tail -n 1 | tr -d "\"' \r")
    fi
    if [ -z "$value" ]; then
        if [ -t 0 ]; then
            printf '%s, from https://developer.spotify.com/dashboard: ' "$1"
            if [ "$3" = hidden ]; then
                trap 'stty echo' EXIT
                trap 'exit 130' INT TERM
                stty -echo
            fi
        fi
        IFS= read -r value || fail "no $1: write it to $secrets/$2, or to $project/.env, and run this again"
        if [ -t 0 ] && [ "$3" = hidden ]; then
            stty echo
            trap - EXIT INT TERM
            echo
        fi
    fi
    [ -n "$value" ] || fail "no $1"
    printf '%s\n' "$value" | keep "$2"
}
ask SPOTIFY_CLIENT_ID spotify_client_id shown
ask SPOTIFY_CLIENT_SECRET spotify_client_secret hidden
if [ ! -s "$secrets/cratedigger_key" ]; then
    # An existing state folder contains the key that its grants are encrypted with.
    # That folder belongs to its user, who could put a link to any file there: so it is read as this user.
    key=/var/lib/cratedigger/key
    if runuser -u "$user" -- test -s "$key"; then
        runuser -u "$user" -- cat "$key" | keep cratedigger_key
        [ -s "$secrets/cratedigger_key" ] || fail "$key cannot be read as $user"
    else
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' | keep cratedigger_key
    fi
fi
if [ -e "$project/.env" ]; then
    say "note: $project/.env overrides $secrets; remove it: rm '$project/.env'"
fi

for unit in "$here"/cratedigger*.service "$here"/cratedigger*.timer; do
    install -T -m 0644 "$unit" "/etc/systemd/system/$(basename "$unit")"
done
say "wrote the units to /etc/systemd/system"
[ ! -d /run/systemd/system ] || systemctl daemon-reload

cat <<END

Next, to check every five minutes for due jobs:
  sudo systemctl enable --now cratedigger.timer
People who read the results need no other rights:
  sudo usermod -a -G $readers PERSON
Commands that you type run as $user, who owns the state folder:
  alias dig-as="sudo -u $user env CREDENTIALS_DIRECTORY=$secrets $program --project '$project'"
  dig-as check
  dig-as auth login home --no-browser
END
