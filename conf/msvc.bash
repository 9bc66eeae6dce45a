# shellcheck shell=bash
# bash completion for msvc(8): commands, options, services.

# What "msvc -o json ARGUMENTS" prints, with the configuration or run directory
# that the line so far names.
_msvc_json() {
	local i conf=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -[cr] ]]; then
			conf=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
		fi
	done
	"${COMP_WORDS[0]}" "${conf[@]}" -o json "$@" 2>/dev/null
}

# Those of the configuration; with -r those that run.
_msvc_services() {
	if [[ " ${COMP_WORDS[*]} " == *' -r '* ]]; then
		_msvc_json status | grep -o '{"name":"[^"]*","state"' |
			cut -d '"' -f 4
		return
	fi
	_msvc_json check |
		sed -n 's/.*"services":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' '\n'
}

# The strings with the key $2 in what the command $1 prints.
_msvc_list() {
	_msvc_json "$1" | grep -o "\"$2\": *\"[^\"]*\"" | cut -d '"' -f 4
}

# What may follow "crash" and its "show".
_msvc_crash() {
	case $1 in
	crash) echo 'list last show' ;;
	show) _msvc_list crash id ;;
	esac
}

# What may follow "quarantine" and its "show" and "release".
_msvc_quarantine() {
	case $1 in
	quarantine) echo 'list show release' ;;
	show) _msvc_list quarantine print ;;
	release)
		_msvc_list quarantine print
		echo all
		;;
	esac
}

# The command on the line, if there is one before the cursor.
_msvc_command() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | -r | -o) ((i++)) ;;
		-*) ;;
		*)
			echo "${COMP_WORDS[i]}"
			return
			;;
		esac
	done
}

_msvc() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='start run stop status top restart reload reexec drain
		undrain scale signal check logs crash quarantine fault call pub sub
		version help'
	local words
	case $prev in
	-c)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-r)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-o)
		mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$cur")
		return
		;;
	-n | -t | -p | -d | --percent | --for | --since | --until | --grep) return ;;
	esac
	case $(_msvc_command) in
	'') words="$commands -c -r -o -h -V" ;;
	start | restart | drain | undrain)
		words="$(_msvc_services) -h -o"
		;;
	stop) words="$(_msvc_services) --force -h -o" ;;
	status) words="$(_msvc_services) --tree -h -o" ;;
	scale)
		words=$(_msvc_services | sed 's/$/=/')
		[[ $cur != *=* ]] || words=
		;;
	signal)
		words='HUP INT QUIT KILL USR1 USR2 TERM CONT STOP -h -o'
		[[ $prev != signal ]] || words=$(_msvc_services)
		;;
	top) words='-d -h' ;;
	reload) words='--dry-run -h -o' ;;
	reexec)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	crash) words="$(_msvc_crash "$prev") -h -o" ;;
	quarantine) words="$(_msvc_quarantine "$prev") -h -o" ;;
	fault)
		words='kill stop delay= error= none --percent --for -h -o'
		[[ $prev != fault ]] || words=$(_msvc_services)
		;;
	logs)
		words="$(_msvc_services) msvc router access -f -i -n --since --until
			--grep -h -o"
		;;
	help) words=$commands ;;
	call) words='-t -o -h' ;;
	sub) words='-n -o -h' ;;
	*) words='-o -h' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _msvc msvc
