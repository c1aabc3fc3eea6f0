# Takes a builder's place: stdenv's setup does its work, and what there is of variables and
# functions then becomes the first output, as JSON. The other outputs are empty files.
set -e
if [[ -e ${NIX_ATTRS_SH_FILE-} ]]; then . "$NIX_ATTRS_SH_FILE"; fi
declare -x IN_NIX_SHELL=impure dontAddDisableDepTrack=1
if [[ ${stdenv-} ]]; then . "$stdenv/setup"; fi
set +u

# All names in here begin with `saltire`, and what begins so is left out.

# A JSON string.
saltireQuote() {
  local LC_ALL=C saltireRest=$1 saltirePlain
  printf '"'
  while [[ $saltireRest == *[\\\"[:cntrl:]]* ]]; do
    saltirePlain=${saltireRest%%[\\\"[:cntrl:]]*}
    saltireRest=${saltireRest:${#saltirePlain}}
    printf '%s\\u%04x' "$saltirePlain" "'${saltireRest:0:1}"
    saltireRest=${saltireRest:1}
  done
  printf '%s"' "$saltireRest"
}

# The members of an object come with a comma before all but the first.
saltireKey() {
  printf %s "$saltireComma"
  saltireComma=,
  saltireQuote "$1"
  printf :
}

# FLAGS NAME: the elements of an array (-a), with their keys those of a table (-A).
saltireElements() {
  local -n saltireAll=$2
  local saltireEach saltireComma=
  for saltireEach in "${!saltireAll[@]}"; do
    if [[ $1 == -A ]]; then
      saltireKey "$saltireEach"
    else
      printf %s "$saltireComma"
      saltireComma=,
    fi
    saltireQuote "${saltireAll[$saltireEach]}"
  done
}

saltireFunctions() {
  local saltireName saltireText saltireComma=
  while read -r _ _ saltireName; do
    if [[ -z $saltireName || $saltireName == saltire* ]]; then continue; fi
    saltireText=$(declare -f "$saltireName")
    saltireText=${saltireText#*\{}
    saltireKey "$saltireName"
    saltireQuote "${saltireText%\}*}"
  done <<< "$(declare -F)"
}

saltireVariables() {
  local saltireWord saltireFlags saltireName saltireComma=
  while read -r saltireWord saltireFlags saltireName; do
    saltireName=${saltireName%%=*}
    if [[ $saltireWord$saltireFlags != declare-? || ! $saltireName =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then continue; fi
    case $saltireName in
      saltire*) continue ;;
      # Bash's own.
      _ | BASH_* | COMP_* | DIRSTACK | EPOCHREALTIME | EPOCHSECONDS | EUID | FUNCNAME | GROUPS) continue ;;
      HISTCMD | HOSTNAME | PIPESTATUS | PWD | RANDOM | SECONDS | SHLVL) continue ;;
    esac
    # A line of a value may look like a declaration.
    if [[ $(declare -p "$saltireName" 2> /dev/null) != "declare $saltireFlags $saltireName"* ]]; then
      continue
    fi
    saltireKey "$saltireName"
    case $saltireFlags in
      -x) printf '{"type":"exported","value":%s}' "$(saltireQuote "${!saltireName}")" ;;
      --) printf '{"type":"var","value":%s}' "$(saltireQuote "${!saltireName}")" ;;
      -a) printf '{"type":"array","value":[%s]}' "$(saltireElements -a "$saltireName")" ;;
      -A) printf '{"type":"associative","value":{%s}}' "$(saltireElements -A "$saltireName")" ;;
      *) printf '{"type":"unknown"}' ;;
    esac
  done <<< "$(declare -p)"
}

saltireEnvironment() {
  local saltireComma=
  printf '{"bashFunctions":{%s},"variables":{%s}' "$(saltireFunctions)" "$(saltireVariables)"
  if [[ -e ${NIX_ATTRS_SH_FILE-} ]]; then
    printf ',"structuredAttrs":{'
    saltireKey .attrs.sh
    saltireQuote "$(< "$NIX_ATTRS_SH_FILE")"
    saltireKey .attrs.json
    saltireQuote "$(< "$NIX_ATTRS_JSON_FILE")"
    printf '}'
  fi
  printf '}'
}

# With structured attributes `outputs` leads from names to paths, else it lists variables.
saltireFirst=
saltireOutput() {
  if [[ $saltireFirst ]]; then : > "$1"; else saltireFirst=$1; fi
}
if [[ -e ${NIX_ATTRS_SH_FILE-} ]]; then
  for saltireName in "${outputs[@]}"; do saltireOutput "$saltireName"; done
else
  for saltireName in ${outputs-out}; do saltireOutput "${!saltireName}"; done
fi
saltireEnvironment > "$saltireFirst"
