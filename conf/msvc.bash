# shellcheck shell=bash
# bash completion for msvc(8): commands, options, services.

# The services of the configuration that the line so far names.
_msvc_services() {
	local i conf=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -c ]]; then
			conf=(-c "${COMP_WORDS[i + 1]}")
		fi
	done
	"${COMP_WORDS[0]}" "${conf[@]}" -o json check 2>/dev/null |
		sed -n 's/.*"services":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' '\n'
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
	local commands='start run stop status restart reload check logs call pub sub
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
	-n | -t) return ;;
	esac
	case $(_msvc_command) in
	'') words="$commands -c -r -o -h -V" ;;
	start | stop | status | restart) words="$(_msvc_services) -h -o" ;;
	logs) words="$(_msvc_services) msvc router access -f -n -h" ;;
	help) words=$commands ;;
	call) words='-t -o -h' ;;
	sub) words='-n -o -h' ;;
	*) words='-o -h' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _msvc msvc
