#!/bin/sh
# Installs the units next to this file: `sudo sh systemd/install.sh`. It can be run again at any time, reports
# each step, and starts nothing. It creates:
#   the system user `cratedigger`, who runs the units, and the state folder /var/lib/cratedigger (0700);
#   /etc/cratedigger with the client id and secret, which it asks for, and a key that encrypts grants;
#   the output folder, writable for that user; and the units in /etc/systemd/system.
set -eu
umask 027

project=/srv/spotify
program=/usr/local/bin/cratedigger
set -- /srv/spotify/output
user=cratedigger
secrets=/etc/cratedigger
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "install: $*"; }
fail() { echo "install: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this needs root: sudo sh $0"
[ -x "$program" ] || fail "$program does not exist: \`sudo make install PREFIX=/usr/local\` installs it"

if ! id "$user" > /dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/cratedigger --shell /usr/sbin/nologin "$user"
    say "created the system user $user"
fi
# A folder from another machine may belong to another user id.
install -d -m 0700 -o "$user" -g "$user" /var/lib/cratedigger
chown -R "$user:$user" /var/lib/cratedigger
for folder in "$@"; do
    install -d -m 0755 -o "$user" -g "$user" "$folder"
    chown -R "$user:$user" "$folder"
    say "$user may write to $folder"
done

# Readable for the group, so that `auth login` started by hand can use the credentials too.
install -d -m 0750 -o root -g "$user" "$secrets"
chown -R "root:$user" "$secrets"
keep() { # $1: file name; stdin: content
    cat > "$secrets/$1.new"
    chown "root:$user" "$secrets/$1.new"
    chmod 0640 "$secrets/$1.new"
    mv "$secrets/$1.new" "$secrets/$1"
    say "wrote $secrets/$1"
}
ask() { # $1: variable; $2: file for its value
    [ ! -s "$secrets/$2" ] || return 0
    value=$(sed -n "s/^\(export \)\{0,1\}$1=//p" "$project/.env" 2> /dev/null | tail -n 1 | tr -d "\"' \r")
    if [ -z "$value" ]; then
        [ ! -t 0 ] || printf '%s, from https://developer.spotify.com/dashboard: ' "$1"
        IFS= read -r value || fail "no $1: write it to $secrets/$2, or to $project/.env, and run this again"
    fi
    [ -n "$value" ] || fail "no $1"
    printf '%s\n' "$value" | keep "$2"
}
ask SPOTIFY_CLIENT_ID spotify_client_id
ask SPOTIFY_CLIENT_SECRET spotify_client_secret
if [ ! -s "$secrets/cratedigger_key" ]; then
    # An existing state folder contains the key that its grants are encrypted with.
    if [ -s /var/lib/cratedigger/key ]; then
        keep cratedigger_key < /var/lib/cratedigger/key
    else
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' | keep cratedigger_key
    fi
fi
if [ -e "$project/.env" ]; then
    say "note: $project/.env overrides $secrets; remove it: rm '$project/.env'"
fi

install -m 0644 "$here"/cratedigger*.service "$here"/cratedigger*.timer /etc/systemd/system/
say "wrote the units to /etc/systemd/system"
[ ! -d /run/systemd/system ] || systemctl daemon-reload

cat <<END

Next, to check every five minutes for due jobs:
  sudo systemctl enable --now cratedigger.timer
Commands that you type run as $user, who owns the state folder:
  alias dig-as="sudo -u $user env CREDENTIALS_DIRECTORY=$secrets $program --project '$project'"
  dig-as check
  dig-as auth login home --no-browser
END
