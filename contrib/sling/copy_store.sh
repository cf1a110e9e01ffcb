#!/bin/sh
# Copies the store to the connection WAREHOUSE of sling: all rows at first, and then what has changed.
#
#   pip install sling==1.4.11, or the program of https://docs.slingdata.io
#   export WAREHOUSE=postgres://loader@db.example.com/music
#   copy_store.sh output/cratedigger.db copied.state
set -eu
store=$1 state=$2
here=$(dirname "$0")
info() { sqlite3 -readonly "$store" "SELECT value FROM store_info WHERE key = 'feed_$1'"; }

# All tables are read up to this version.
FEED_VERSION=$(info version) epoch=$(info epoch) since=$(info since)
CRATEDIGGER="sqlite://$store?mode=ro"
export FEED_VERSION CRATEDIGGER

known_epoch='' known=0
if [ -s "$state" ]; then read -r known_epoch known <"$state"; fi
mode=''
# Another epoch is a restored backup; before `feed_since`, keys of deleted rows are forgotten.
if [ "$known_epoch" != "$epoch" ] || [ "$known" -lt "$since" ] || [ "$known" -gt "$FEED_VERSION" ]; then
  mode='--mode full-refresh'
fi
# shellcheck disable=SC2086 # two words or none
sling run --replication "$here/replication.yaml" $mode
echo "$epoch $FEED_VERSION" >"$state"
