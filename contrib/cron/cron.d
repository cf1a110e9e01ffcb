# For /etc/cron.d/cratedigger: the same for a system user, who is named before the command; see docs/operations.md.
# The credentials folder contains the client id, the secret and the key as files, so no .env is needed.

MAILTO=root
CREDENTIALS_DIRECTORY=/etc/cratedigger

*/5 * * * *  cratedigger  /usr/local/bin/cratedigger -q --project /srv/spotify run --due
