# Takes a builder's place: lets stdenv's setup do its work and writes the variables and
# functions that there are then to the first output, as JSON; the other outputs are
# empty files.
set -e
if [ -e "${NIX_ATTRS_SH_FILE-}" ]; then source "$NIX_ATTRS_SH_FILE"; fi
export IN_NIX_SHELL=impure dontAddDisableDepTrack=1
if [ -n "${stdenv-}" ]; then source "$stdenv/setup"; fi

# What there is, before anything here adds to it.
saltireFunctions=$(declare -F)
saltireVariables=$(unset saltireFunctions; declare -p)
set +u

# Names that no build has, as what is local to a function hides what is not.
saltireQuote() {
  local saltireText=$1 saltireCode
  saltireText=${saltireText//\\/\\\\}
  saltireText=${saltireText//\"/\\\"}
  saltireText=${saltireText//$'\n'/\\n}
  saltireText=${saltireText//$'\r'/\\r}
  saltireText=${saltireText//$'\t'/\\t}
  if [[ $saltireText == *[[:cntrl:]]* ]]; then
    for saltireCode in {1..31}; do
      printf -v saltireCode %02x "$saltireCode"
      saltireText=${saltireText//"$(printf "\\x$saltireCode")"/\\u00$saltireCode}
    done
  fi
  printf '"%s"' "$saltireText"
}

saltireFunctionList() {
  local saltireLine saltireName saltireBody saltireComma=
  while IFS= read -r saltireLine; do
    saltireName=${saltireLine#declare -f}
    saltireName=${saltireName##* }
    if [ -z "$saltireName" ]; then continue; fi
    saltireBody=$(declare -f "$saltireName")
    saltireBody=${saltireBody#*\{}
    printf '%s' "$saltireComma"
    saltireQuote "$saltireName"
    printf :
    saltireQuote "${saltireBody%\}*}"
    saltireComma=,
  done <<< "$saltireFunctions"
}

# What Bash itself keeps is no part of the environment.
saltireIsBashs() {
  case $1 in
    BASH_* | COMP_* | _ | DIRSTACK | EPOCHREALTIME | EPOCHSECONDS | EUID | FUNCNAME | GROUPS | \
      HISTCMD | HOSTNAME | PIPESTATUS | PWD | RANDOM | SECONDS | SHLVL) return 0 ;;
    *) return 1 ;;
  esac
}

saltireVariableList() {
  local saltireLine saltireKind saltireName saltireComma=
  while IFS= read -r saltireLine; do
    # Lines of a value may look like declarations.
    if ! [[ $saltireLine =~ ^declare\ (-[-Aaxnirtlu])\ ([A-Za-z_][A-Za-z_0-9]*)(=|$) ]]; then continue; fi
    saltireKind=${BASH_REMATCH[1]} saltireName=${BASH_REMATCH[2]}
    if saltireIsBashs "$saltireName" || [[ $(declare -p "$saltireName" 2> /dev/null) != "declare $saltireKind $saltireName"* ]]; then continue; fi
    printf '%s' "$saltireComma"
    saltireQuote "$saltireName"
    saltireVariable "$saltireKind" "$saltireName"
    saltireComma=,
  done <<< "$saltireVariables"
}

saltireVariable() {
  local saltireKind=$1 saltireEach saltireKey saltireComma=
  case $saltireKind in
    -x | --)
      printf ':{"type":"%s","value":' "$(if [ "$saltireKind" = -x ]; then printf exported; else printf var; fi)"
      saltireQuote "${!2}"
      ;;
    -a)
      printf ':{"type":"array","value":['
      saltireEach="$2[@]"
      for saltireEach in "${!saltireEach}"; do
        printf '%s' "$saltireComma"
        saltireQuote "$saltireEach"
        saltireComma=,
      done
      printf ']'
      ;;
    -A)
      printf ':{"type":"associative","value":{'
      local -n saltireTable=$2
      for saltireKey in "${!saltireTable[@]}"; do
        printf '%s' "$saltireComma"
        saltireQuote "$saltireKey"
        printf :
        saltireQuote "${saltireTable[$saltireKey]}"
        saltireComma=,
      done
      printf '}'
      ;;
    *) printf ':{"type":"unknown"' ;;
  esac
  printf '}'
}

saltireEnvironment() {
  printf '{"bashFunctions":{'
  saltireFunctionList
  printf '},"variables":{'
  saltireVariableList
  printf '}'
  if [ -e "${NIX_ATTRS_SH_FILE-}" ]; then
    printf ',"structuredAttrs":{".attrs.sh":'
    saltireQuote "$(< "$NIX_ATTRS_SH_FILE")"
    printf ',".attrs.json":'
    saltireQuote "$(< "$NIX_ATTRS_JSON_FILE")"
    printf '}'
  fi
  printf '}'
}

# With structured attributes `outputs` maps names to paths, else it lists variables.
saltireOutputs=()
if [ -e "${NIX_ATTRS_SH_FILE-}" ]; then
  saltireOutputs=("${outputs[@]}")
else
  for saltireName in ${outputs-out}; do saltireOutputs+=("${!saltireName}"); done
fi
for saltireName in "${saltireOutputs[@]}"; do : > "$saltireName"; done
saltireEnvironment > "${saltireOutputs[0]}"
