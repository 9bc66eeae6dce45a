#!/bin/sh
# ask_often.sh URL COUNT: ask that often, one after the other on a kept-alive
# connection. Prints one line for each answer: its status ("000": none came)
# and the seconds it took.
set -eu
url=$1
count=$2
config=$(mktemp)
trap 'rm -f "$config"' EXIT
i=0
while [ $i -lt "$count" ]; do
	printf 'url = "%s"\noutput = /dev/null\n' "$url"
	i=$((i + 1))
done >"$config"
# curl's exit code is that of the last answer; the lines tell more.
curl -s -K "$config" -m 30 -w '%{http_code} %{time_total}\n' || true
