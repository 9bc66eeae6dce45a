#!/bin/sh
# shop_conf.sh BUILD [PORT]: write BUILD/shop/shop.ini, the shop's
# configuration for the programs of that build folder, and print its path.
set -eu
build=$1
port=${2:-8080}
conf=$build/shop/shop.ini

case $port in
'' | *[!0-9]*)
	echo "PORT=$port is not a port" >&2
	exit 2
	;;
esac
mkdir -p "$build/shop/data"
{
	echo "; Made of svc/samples/shop/shop.ini; changes go there."
	sed -e 's|\.\./\.\./\.\./build/shop/||; s|\.\./\.\./\.\./build/|../|' \
	    -e "s|^listen = .*|listen = 127.0.0.1:$port|" svc/samples/shop/shop.ini
} >"$conf"

# A run directory has one owner. Root may go on where a user has been before,
# unless the user's shop still runs.
run=$build/shop/run
if [ -d "$run" ] && [ -n "$(find "$run" -prune ! -user "$(id -u)")" ]; then
	status=0
	"$build/bin/msvc" -c "$conf" status >/dev/null 2>&1 || status=$?
	[ "$status" -ne 3 ] || rm -rf "$run"
fi
echo "$conf"
