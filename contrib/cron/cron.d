# For /etc/cron.d/cratedigger: the same for a system user, named before the command; see docs/operations.md.
# The folder holds the app's id and secret and the key, as files; so no .env is needed.

MAILTO=root
CREDENTIALS_DIRECTORY=/etc/cratedigger

*/5 * * * *  cratedigger  /usr/local/bin/cratedigger -q --project /srv/spotify run --due
