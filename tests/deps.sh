#!/bin/sh
# Install the Debian packages that are missing: deps.sh build|test|lint|bench...
# Debian 12 and 13 name some of them differently; "a|b" takes the first that
# the package lists know.
set -eu

build='gcc make pkg-config binutils libnng-dev libmsgpack-c-dev|libmsgpack-dev
libinih-dev libllhttp-dev|node-llhttp libxxhash-dev uthash-dev libsqlite3-dev
liblmdb-dev libpcre2-dev zlib1g-dev libseccomp-dev libcap-dev libncurses-dev
curl'
test='libcmocka-dev libjansson-dev python3 python3-pytest python3-pytest-xdist
python3-msgpack libfaketime'
lint='clang-format-14|clang-format clang clang-tidy libclang-rt-14-dev|libclang-rt-dev
cppcheck mandoc shellcheck'
bench='wrk nginx-light haproxy libzmq3-dev s6 runit supervisor'

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Print the packages of a list that are neither there nor have a stand-in.
missing() {
	for choice in "$@"; do
		found=
		for name in $(echo "$choice" | tr '|' ' '); do
			if installed "$name"; then
				found=yes
			fi
		done
		[ -n "$found" ] || echo "$choice"
	done
}

known() {
	apt-cache show "$1" >/dev/null 2>&1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

want=
for group in "$@"; do
	case $group in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	lint) want="$want $lint" ;;
	bench) want="$want $bench" ;;
	*)
		echo "usage: deps.sh build|test|lint|bench ..." >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: not a Debian system; needed (Debian names): $want" >&2
	exit 0
fi
# shellcheck disable=SC2086 # a list of words is wanted
need=$(missing $want)
[ -n "$need" ] || exit 0

# shellcheck disable=SC2086 # one line
echo installing: $need
as_root apt-get update -qq
chosen=
for choice in $need; do
	name=
	for candidate in $(echo "$choice" | tr '|' ' '); do
		if [ -z "$name" ] && known "$candidate"; then
			name=$candidate
		fi
	done
	if [ -z "$name" ]; then
		echo "deps.sh: no package for $choice" >&2
		exit 1
	fi
	chosen="$chosen $name"
done
# shellcheck disable=SC2086
as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $chosen >/dev/null
