#!/bin/sh
# The shop, walked through with curl: what a newcomer sees with `make demo`.
# Every request is shown with its answer; a service is killed in the middle.
set -eu

build=${1:-build}
conf=svc/samples/shop/shop.ini
base=http://127.0.0.1:8080
msvc() { "$build/bin/msvc" -c "$conf" "$@"; }

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
	bold='' dim='' off=''
fi

say() { printf '\n%s== %s%s\n' "$bold" "$*" "$off"; }

# ask METHOD PATH [JSON]: show the request and its answer; body kept in $body
ask() {
	if [ $# -gt 2 ]; then
		printf "%s$ curl -X %s %s -d '%s'%s\n" "$dim" "$1" "$base$2" "$3" "$off"
		answer=$(curl -sS -X "$1" -H 'Content-Type: application/json' \
		    -d "$3" -w '\n%{http_code}' "$base$2")
	else
		printf '%s$ curl -X %s %s%s\n' "$dim" "$1" "$base$2" "$off"
		answer=$(curl -sS -X "$1" -w '\n%{http_code}' "$base$2")
	fi
	code=$(printf '%s\n' "$answer" | tail -n 1)
	body=$(printf '%s\n' "$answer" | sed '$d')
	printf '%s %s\n' "$code" "$body"
}

expect() {
	if [ "$code" != "$1" ]; then
		echo "demo: expected $1, got $code" >&2
		exit 1
	fi
}

id_of() { printf '%s' "$body" | sed -n 's/.*"id":\([0-9]*\).*/\1/p'; }

stop() {
	status=$?
	trap - EXIT INT TERM
	msvc stop >/dev/null 2>&1 || true
	exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

rm -rf "$build/shop/data"
mkdir -p "$build/shop/data"

say "msvc start: four services, a router, one entry point"
msvc start

say "a user signs up; an order calls users and payments, then tells the world"
ask POST /users '{"name":"Ada","email":"ada@example.org"}'
expect 201
user=$(id_of)
ask GET "/users/$user"
expect 200
ask POST /orders "{\"user\":$user,\"item\":\"difference engine\",\"amount\":1200}"
expect 201
ask POST /orders "{\"user\":$user,\"item\":\"moon\",\"amount\":999999999}"
expect 402
ask POST /orders '{"user":"nobody"'
expect 400

say "notices heard of it through the bus (orders.*)"
tries=0
until curl -sS "$base/notices" | grep -q 'difference engine'; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "demo: no notice came" >&2; exit 1; }
	sleep 0.05
done
ask GET /notices
expect 200

say "kill -9 of users, while a client asks 2000 times"
pid=$(msvc -o json status | tr -d ' \n' |
    sed 's/.*"name":"users"//; s/[^[]*\[[^]]*"pid":\([0-9]*\).*/\1/')
tests/ask_often.sh "$base/users/$user" 2000 >"$build/shop/asked" &
asker=$!
sleep 0.2
kill -9 "$pid"
printf '%s$ kill -9 %s   # users/1%s\n' "$dim" "$pid" "$off"
wait "$asker"
printf 'answers by status while it died and came back:\n'
cat "$build/shop/asked"

say "msvc status"
msvc status

say "msvc logs -n 4 msvc"
msvc logs -n 4 msvc

say "msvc stop"
msvc stop
echo
echo "That was the shop. 'make run' keeps it in front; README.md goes on."
