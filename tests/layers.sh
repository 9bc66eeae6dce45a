#!/bin/sh
# Check the direction of includes: who may include whom (and which library).
# Prints each offending line and exits 1.
set -eu
bad=0

# folder, then an extended regular expression of quoted includes it may not use
deny() {
	folder=$1
	pattern=$2
	why=$3
	found=$(find "$folder" -name '*.[ch]' -exec \
	    grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$pattern" {} + || true)
	if [ -n "$found" ]; then
		printf '%s\n  ^ %s\n' "$found" "$why" >&2
		bad=1
	fi
}

deny conf '"(ipc|supervisor|router|svc)/' 'conf knows nothing of the rest'
deny ipc '"(conf|supervisor|router|svc)/' 'ipc knows nothing of the rest'
deny supervisor '"(router|svc)/' 'supervisor may include conf and ipc'
deny router '"(conf|supervisor|svc)/' 'router may include ipc'
deny svc/samples '"(conf|ipc|supervisor|router)/' 'samples see svc/svc.h only'
for file in svc/*.[ch]; do
	[ -e "$file" ] || continue
	if grep -nE '^#[[:space:]]*include[[:space:]]*"(conf|supervisor|router)/' "$file"; then
		echo "  ^ $file: svc may include ipc" >&2
		bad=1
	fi
done
for folder in conf supervisor router svc/samples/shop; do
	deny "$folder" '<(nng|msgpack)' 'only ipc uses nng and msgpack-c'
done
for file in svc/*.[ch] svc/samples/echo.c svc/samples/fault.c \
    svc/samples/hello.c; do
	[ -e "$file" ] || continue
	if grep -nE '^#[[:space:]]*include[[:space:]]*<(nng|msgpack)' "$file"; then
		echo "  ^ $file: only ipc uses nng and msgpack-c" >&2
		bad=1
	fi
done
for folder in ipc supervisor router svc; do
	deny "$folder" '<ini.h>' 'only conf uses inih'
done
exit $bad
