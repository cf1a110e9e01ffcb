#!/bin/sh
# Installs the units that lie beside this file: `sudo sh systemd/install.sh`. It may be run again at any time,
# says each thing that it does, and starts nothing. What it makes:
#   a system user `cratedigger`, whom the units run as, and its state folder /var/lib/cratedigger (0700);
#   /etc/cratedigger with the app's id and secret, which it asks for, and a key that seals grants;
#   the folder of the results, which that user may write to; and the units in /etc/systemd/system.
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

[ "$(id -u)" = 0 ] || fail "only root can do this: sudo sh $0"
[ -x "$program" ] || fail "$program is not there: \`sudo make install PREFIX=/usr/local\` puts it there"

if ! id "$user" > /dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/cratedigger --shell /usr/sbin/nologin "$user"
    say "made the system user $user"
fi
# Also what came from another machine, where the user had another number.
install -d -m 0700 -o "$user" -g "$user" /var/lib/cratedigger
chown -R "$user:$user" /var/lib/cratedigger
for folder in "$@"; do
    install -d -m 0755 -o "$user" -g "$user" "$folder"
    chown -R "$user:$user" "$folder"
    say "$user may write to $folder"
done

# Readable for the group, so that `auth login` by hand finds them as the units do.
install -d -m 0750 -o root -g "$user" "$secrets"
chown -R "root:$user" "$secrets"
keep() { # the name of a file; its content on stdin
    cat > "$secrets/$1.new"
    chown "root:$user" "$secrets/$1.new"
    chmod 0640 "$secrets/$1.new"
    mv "$secrets/$1.new" "$secrets/$1"
    say "wrote $secrets/$1"
}
ask() { # a variable, the file that holds its value
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
    # A state folder that was in use has its key in it: its grants open with no other.
    if [ -s /var/lib/cratedigger/key ]; then
        keep cratedigger_key < /var/lib/cratedigger/key
    else
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' | keep cratedigger_key
    fi
fi
if [ -e "$project/.env" ]; then
    say "note: $project/.env goes over $secrets; take it away: rm '$project/.env'"
fi

install -m 0644 "$here"/cratedigger*.service "$here"/cratedigger*.timer /etc/systemd/system/
say "wrote the units to /etc/systemd/system"
[ ! -d /run/systemd/system ] || systemctl daemon-reload

cat <<END

Next, to look every five minutes whether a job is due:
  sudo systemctl enable --now cratedigger.timer
What is done by hand is done as $user, who owns the state folder:
  alias dig-as="sudo -u $user env CREDENTIALS_DIRECTORY=$secrets $program --project '$project'"
  dig-as check
  dig-as auth login home --no-browser
END
