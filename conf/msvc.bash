# shellcheck shell=bash
# bash completion for msvc(8): commands, options, services.

# What "msvc -o json ARGUMENTS" prints, with the configuration that the line so
# far names.
_msvc_json() {
	local i conf=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -c ]]; then
			conf=(-c "${COMP_WORDS[i + 1]}")
		fi
	done
	"${COMP_WORDS[0]}" "${conf[@]}" -o json "$@" 2>/dev/null
}

_msvc_services() {
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
	local commands='start run stop status restart reload drain undrain check
		logs crash quarantine fault call pub sub version help'
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
	-n | -t | -p | -d | --percent | --for) return ;;
	esac
	case $(_msvc_command) in
	'') words="$commands -c -r -o -h -V" ;;
	start | stop | status | restart | drain | undrain)
		words="$(_msvc_services) -h -o"
		;;
	crash) words="$(_msvc_crash "$prev") -h -o" ;;
	quarantine) words="$(_msvc_quarantine "$prev") -h -o" ;;
	fault)
		words='kill stop delay= error= none --percent --for -h -o'
		[[ $prev != fault ]] || words=$(_msvc_services)
		;;
	logs) words="$(_msvc_services) msvc router access -f -n -h" ;;
	help) words=$commands ;;
	call) words='-t -o -h' ;;
	sub) words='-n -o -h' ;;
	*) words='-o -h' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _msvc msvc
