#!/bin/sh
# The shop, walked through with curl: what a newcomer sees with `make demo`.
# Every request is shown with its answer; a service is killed in the middle.
#
# demo.sh BUILD [PORT]: exits 0 only if every step went as it says.
set -eu

build=${1:-build}
port=${2:-8080}
base=http://127.0.0.1:$port
conf=$(tests/shop_conf.sh "$build" "$port")
asked=$build/shop/asked
msvc() { "$build/bin/msvc" -c "$conf" "$@"; }

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
	bold='' dim='' off=''
fi

say() { printf '\n%s== %s%s\n' "$bold" "$*" "$off"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; }
fail() {
	echo "demo: $*" >&2
	exit 1
}

# ask METHOD PATH [JSON]: show the request and its answer, which stay in $code
# and $body
ask() {
	method=$1 url=$base$2 json=${3:-}
	set -- -sS -m 30 -w '\n%{http_code}' -X "$method"
	if [ -n "$json" ]; then
		show "curl -X $method $url -d '$json'"
		set -- "$@" -H 'Content-Type: application/json' -d "$json"
	else
		show "curl $url"
	fi
	answer=$(curl "$@" "$url") || fail "$method $url: no answer"
	code=${answer##*
}
	body=${answer%
*}
	printf '%s %s\n' "$code" "$body"
}

# expect CODE [TEXT]: what the answer must be, and what its body must hold
expect() {
	[ "$code" = "$1" ] || fail "expected $1, got $code"
	case $body in
	*"${2:-}"*) ;;
	*) fail "expected $2 in the answer" ;;
	esac
}

# Every sample answers its own id first: {"id":1,...}
id_of() {
	id=${body#*\"id\":}
	id=${id%%[!0-9]*}
	[ -n "$id" ] || fail "no id in the answer"
}

# pids_of SERVICE: of its ready instances, from the table
pids_of() { msvc status "$1" | awk '$2 == "ready" { print $3 }'; }

# wait_until COMMAND...: for 10 seconds at most
wait_until() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}

notice_came() { curl -sS -m 5 "$base/notices" | grep -q 'on its way'; }
is_half_asked() { [ "$(wc -l <"$asked")" -gt 1000 ]; }
are_both_back() { [ "$(pids_of users | wc -l)" -eq 2 ]; }

# Also when a step failed; a shop that was there before is not ours to stop.
started=
asker=
stop() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$asker" ] || kill "$asker" 2>/dev/null || true
	[ -z "$started" ] || msvc stop >/dev/null 2>&1 || true
	exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

if msvc status >/dev/null 2>&1; then
	fail "the shop runs already; stop it first: $build/bin/msvc -c $conf stop"
fi
rm -rf "$build/shop/data"
mkdir -p "$build/shop/data"

say "msvc start: four services, a router, one entry point"
show "msvc -c $conf start"
started=yes
msvc start || fail "is port $port taken? Choose another: make demo PORT=8081"

say "a user signs up; an order calls users and payments, then tells the world"
ask POST /users '{"name":"Ada","email":"ada@example.org"}'
expect 201 '"name":"Ada"'
id_of
user=$id
ask GET "/users/$user"
expect 200 '"email":"ada@example.org"'
ask POST /orders "{\"user\":$user,\"item\":\"difference engine\",\"amount\":120}"
expect 201 '"item":"difference engine"'

say "what cannot be is refused, with the reason"
ask POST /orders "{\"user\":$user,\"item\":\"moon\",\"amount\":999999999}"
expect 402
ask POST /orders '{"user":12345,"item":"tea","amount":5}'
expect 422
ask POST /orders '{"user":"nobody"'
expect 400
ask GET /nowhere
expect 404

say "notices heard of the order through the bus"
wait_until notice_came || fail "no notice came"
ask GET /notices
expect 200 'Your order is on its way.'

say "kill -9 of every instance of users, while a client asks 3000 times"
: >"$asked"
tests/ask_often.sh "$base/users/$user" 3000 >"$asked" &
asker=$!
wait_until is_half_asked || fail "the client gets no answers"
pids=$(pids_of users | tr '\n' ' ')
show "kill -9 $pids"
# shellcheck disable=SC2086 # several pids
kill -9 $pids
wait "$asker"
asker=
echo 'What the client saw while users died and came back:'
awk '{ n[$1]++; if ($2 > slowest) slowest = $2 }
    END {
	for (code in n) printf "%7d answers %s\n", n[code], code
	printf "slowest answer %.0f ms\n", 1000 * slowest
	exit NR != 3000 || n["000"] > 0 || n[200] < 2900
    }' "$asked" || fail "the client noticed too much"
wait_until are_both_back || fail "users did not come back"
ask GET "/users/$user"
expect 200 '"name":"Ada"'

say "msvc status: users is in its second generation"
show "msvc -c $conf status"
msvc status

say "msvc logs: what the supervisor did"
show "msvc -c $conf logs -n 5 msvc"
msvc logs -n 5 msvc

say "msvc stop"
show "msvc -c $conf stop"
msvc stop
started=
echo
echo "That was the shop. 'make run' keeps it in the foreground; README.md goes on."
