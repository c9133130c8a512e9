/*
 * Each script hands the words up to the cursor to `capsule complete --` and shows what it prints: a candidate and what
 * it is, after a tabulator; `:files` stands for the names of files. They define one function, so that sourcing one
 * again changes nothing.
 */

/** Also for bash 3.2, which has no `compopt`, and without the package bash-completion. */
const BASH = `# bash completion for capsule
_capsule_complete() {
  local line current="\${COMP_WORDS[COMP_CWORD]}"
  [ "$current" = "=" ] && current=""
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
        ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(capsule complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _capsule_complete capsule
`;

const ZSH = `#compdef capsule
_capsule() {
  local line value files=""
  local -a candidates
  for line in "\${(@f)$(capsule complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :files) files=1 ;;
      ?*)
        value="\${line%%$'\\t'*}"
        candidates+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
        ;;
    esac
  done
  (( $#candidates )) && _describe -V capsule candidates
  [[ -n "$files" ]] && _files
  return 0
}
if [[ "\${funcstack[1]:-}" = _capsule ]]; then
  _capsule "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _capsule capsule
fi
`;

const FISH = `# fish completion for capsule
function __capsule_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (capsule complete -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c capsule -e
complete -c capsule -f -a '(__capsule_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
