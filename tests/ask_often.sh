#!/bin/sh
# ask_often.sh URL COUNT: ask that often on kept-alive connections, print how
# often each status came ("000": no answer).
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
curl -s -K "$config" -w '%{http_code}\n' | sort | uniq -c || true
