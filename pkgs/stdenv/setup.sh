# The build script of every package: finds dependencies, runs phases, tidies up
# what they installed. Sourced by bash 4 or newer; uses nothing outside the
# store.
#
# A phase is a variable or function named <name>Phase; around it run the hooks
# pre<Name> and post<Name>, each a variable, a function, or an array
# pre<Name>Hooks of them.

set -eo pipefail
shopt -s nullglob

# --- Talking --------------------------------------------------------------------

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs a hook: the functions and commands in the array <name>Hooks, then the
# function or the variable <name>.
runHook() {
  local hookName=$1 hook
  shift
  local -n hooks="${hookName}Hooks"
  for hook in ${hooks+"${hooks[@]}"}; do
    runOne "$hook" "$@"
  done
  if declare -F "$hookName" > /dev/null; then
    "$hookName" "$@"
  elif [ -n "${!hookName-}" ]; then
    eval "${!hookName}"
  fi
}

runOne() {
  if declare -F "$1" > /dev/null; then
    "$@"
  else
    eval "$1"
  fi
}

# A program that is not found, in the build script or in any shell that it starts:
# if a dependency for the host platform has it, it is in the wrong list.
command_not_found_handle() {
  local directory
  printf '%s: command not found\n' "$1" >&2
  for directory in ${NIX_HOST_PROGRAM_DIRECTORIES-}; do
    if [ -e "$directory/$1" ]; then
      printf "error: '%s' is in buildInputs (%s), which are for the platform that the package will run on, but it is run while building: it needs to be in nativeBuildInputs\n" \
        "$1" "${directory%/bin}" >&2
      break
    fi
  done
  return 127
}
export -f command_not_found_handle

# Status 126: a file is there but the kernel can't execute it.
explainFailure() {
  if [ "$1" = 126 ] && [ -n "${crossConfig-}" ]; then
    printf 'error: a program could not be executed, probably because it is for %s and not for this machine: build one for this machine (depsBuildBuild, CC_FOR_BUILD), take it from nativeBuildInputs, or set emulateHost = true\n' \
      "$crossConfig" >&2
  fi
}
trap 'explainFailure $?' EXIT

# --- Dependencies ---------------------------------------------------------------
#
# A dependency has two offsets: where it runs and, if it makes code, where that
# runs: -1 the build platform, 0 the host platform, 1 the target platform.

declare -gA seenDependencies=()
# Dependencies in the order found: "hostOffset targetOffset path".
declare -ga allDependencies=()

# list variable, propagated variable, file in nix-support, host and target offset
dependencyKinds=(
  "depsBuildBuild depsBuildBuildPropagated propagated-build-build-deps -1 -1"
  "nativeBuildInputs propagatedNativeBuildInputs propagated-native-build-inputs -1 0"
  "depsBuildTarget depsBuildTargetPropagated propagated-build-target-deps -1 1"
  "depsHostHost depsHostHostPropagated propagated-host-host-deps 0 0"
  "buildInputs propagatedBuildInputs propagated-build-inputs 0 1"
  "depsTargetTarget depsTargetTargetPropagated propagated-target-target-deps 1 1"
)

# The offset of a dependency's dependency: offsets are relative to the platforms
# of the package that names them. $1: its offset there; $2, $3: that package's.
mapOffset() {
  if [ "$1" -le 0 ]; then
    mapped=$(($1 + $2))
  else
    mapped=$(($1 + $3 - 1))
  fi
}

findDependency() {
  local package=$1 host=$2 target=$3 kind file mapped newHost newTarget line
  if [ -n "${seenDependencies["$host $target $package"]-}" ]; then
    return
  fi
  if [ ! -e "$package" ]; then
    die "the dependency $package does not exist"
  fi
  seenDependencies["$host $target $package"]=1
  allDependencies+=("$host $target $package")
  if [ ! -d "$package/nix-support" ]; then
    return
  fi
  for kind in "${dependencyKinds[@]}"; do
    set -- $kind
    file=$package/nix-support/$3
    if [ ! -s "$file" ]; then continue; fi
    mapOffset "$4" "$host" "$target"
    newHost=$mapped
    mapOffset "$5" "$host" "$target"
    newTarget=$mapped
    # Nothing before the build platform and nothing after the target platform.
    if [ "$newHost" -lt -1 ] || [ "$newHost" -gt 1 ] || [ "$newTarget" -lt -1 ] || [ "$newTarget" -gt 1 ]; then
      continue
    fi
    for line in $(< "$file"); do
      findDependency "$line" "$newHost" "$newTarget"
    done
  done
}

findAllDependencies() {
  local kind package
  for package in $defaultNativeBuildInputs; do
    findDependency "$package" -1 0
  done
  for kind in "${dependencyKinds[@]}"; do
    set -- $kind
    for package in ${!1-} ${!2-}; do
      findDependency "$package" "$4" "$5"
    done
  done
}

# addEnvHooks <offset> <function>: calls the function for each dependency that
# runs on the platform with this offset. $dependencySuffix then names the role.
declare -ga envHooks=()
addEnvHooks() {
  envHooks+=("$1 $2")
}

# Suffixes of variables, and of the wrappers' switches, for an offset.
toolRole() {
  case $1 in
    -1) roleSuffix=_FOR_BUILD roleName=_BUILD ;;
    0) roleSuffix= roleName=_HOST ;;
    1) roleSuffix=_FOR_TARGET roleName=_TARGET ;;
    *) die "a tool's offset is $1" ;;
  esac
}

addToSearchPathWithCustomDelimiter() {
  if [ -d "$3" ]; then
    export "$2=${!2-}${!2:+$1}$3"
  fi
}
addToSearchPath() {
  addToSearchPathWithCustomDelimiter : "$@"
}

activateDependencies() {
  local entry package hook hostOffset targetOffset
  for entry in "${allDependencies[@]}"; do
    read -r hostOffset targetOffset package <<< "$entry"
    # Only programs for the build platform can be run here.
    if [ "$hostOffset" = -1 ]; then
      addToSearchPath PATH "$package/bin"
      addToSearchPath XDG_DATA_DIRS_FOR_BUILD "$package/share"
    elif [ -d "$package/bin" ]; then
      export NIX_HOST_PROGRAM_DIRECTORIES="${NIX_HOST_PROGRAM_DIRECTORIES-} $package/bin"
    fi
    if [ -f "$package/nix-support/setup-hook" ]; then
      source "$package/nix-support/setup-hook"
    elif [ -f "$package" ]; then
      # A setup hook that is a file by itself.
      source "$package"
    fi
  done
  for entry in "${allDependencies[@]}"; do
    read -r hostOffset targetOffset package <<< "$entry"
    for hook in "${envHooks[@]}"; do
      if [ "${hook%% *}" = "$hostOffset" ]; then
        toolRole "$hostOffset"
        dependencySuffix=$roleSuffix
        "${hook#* }" "$package"
      fi
    done
  done
}

# Writes what the package propagates, for packages that depend on it.
recordPropagatedDependencies() {
  local kind destination=${outputDev:-$out}
  for kind in "${dependencyKinds[@]}"; do
    set -- $kind
    if [ -n "${!2-}" ]; then
      mkdir -p "$destination/nix-support"
      printf '%s ' ${!2} > "$destination/nix-support/$3"
    fi
  done
  # Who takes the headers gets the libraries and programs too.
  if [ -n "${out-}" ] && [ "$destination" != "$out" ]; then
    mkdir -p "$destination/nix-support"
    printf '%s ' "$outputBin" "$outputLib" >> "$destination/nix-support/propagated-build-inputs"
  fi
  if [ -n "${setupHook-}" ]; then
    mkdir -p "$destination/nix-support"
    cp "$setupHook" "$destination/nix-support/setup-hook"
  fi
}

# --- The environment --------------------------------------------------------------

prepareEnvironment() {
  local package
  PATH=
  for package in $initialPath; do
    addToSearchPath PATH "$package/bin"
  done
  local initial=$PATH
  PATH=
  export NIX_BUILD_TOP=${NIX_BUILD_TOP:-$PWD}
  export TMPDIR=${TMPDIR:-$NIX_BUILD_TOP} TZ=UTC LC_ALL=C
  # Nothing of a user's home directory, even where the sandbox is switched off.
  export HOME=/homeless-shelter
  # Dates in what is built: Debian's and nixpkgs' convention.
  export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}
  export NIX_STORE=${NIX_STORE:-/nix/store}
  export MAKEINFO=${MAKEINFO:-true} FORCE_UNSAFE_CONFIGURE=1
  PATH=$initial
  findAllDependencies
  PATH=
  PATH=$initial
  activateDependencies
  # Packages' programs come before the seed's.
  PATH=${PATH#"$initial"}
  PATH=${PATH#:}${PATH:+:}$initial
  export PATH

  chooseOutputs
  # Programs that are linked to a library of the same package find it where it
  # will be installed. Those that need none lose the path again: shrinkRunPaths.
  if [ -n "${linksSharedLibraries-}" ] && [ -n "$outputLib" ]; then
    export NIX_LDFLAGS="-rpath $outputLib/lib ${NIX_LDFLAGS-}"
  fi
}

# Variables outputBin, outputDev, … name the output that each kind of file
# belongs into.
chooseOutputs() {
  local first=${outputs%% *}
  defaultOutput outputBin bin "$first"
  defaultOutput outputLib lib "$first"
  defaultOutput outputDev dev "$first"
  defaultOutput outputInclude include "$outputDevName"
  defaultOutput outputDoc doc "$first"
  defaultOutput outputMan man "$outputBinName"
  defaultOutput outputInfo info "$outputBinName"
  prefix=${prefix-${!first}}
}

# Sets the named variable to the path of an output, and <name>Name to its name.
defaultOutput() {
  local variable=$1 wanted=$2 otherwise=$3 name
  case " $outputs " in
    *" $wanted "*) name=$wanted ;;
    *) name=$otherwise ;;
  esac
  printf -v "${variable}Name" %s "$name"
  printf -v "$variable" %s "${!name}"
}

# --- Helpers for packages ---------------------------------------------------------

# substitute <from> <to> (--replace <text> <text> | --subst-var <name> |
# --subst-var-by <name> <text>)…
substitute() {
  local from=$1 to=$2 content pattern replacement
  shift 2
  if [ ! -f "$from" ]; then die "substitute: the file $from does not exist"; fi
  # A final character keeps trailing newlines.
  content=$(cat "$from"; printf X)
  content=${content%X}
  while [ $# -gt 0 ]; do
    case $1 in
      --replace | --replace-fail | --replace-warn | --replace-quiet)
        pattern=$2 replacement=$3
        if [[ $content != *"$pattern"* ]]; then
          case $1 in
            --replace-fail) die "substitute: '$pattern' does not occur in $from" ;;
            --replace-quiet) ;;
            *) printf 'warning: substitute: "%s" does not occur in %s\n' "$pattern" "$from" >&2 ;;
          esac
        fi
        shift 3 ;;
      --subst-var) pattern=@$2@ replacement=${!2} ; shift 2 ;;
      --subst-var-by) pattern=@$2@ replacement=$3 ; shift 3 ;;
      *) die "substitute: what is '$1'?" ;;
    esac
    content=${content//"$pattern"/"$replacement"}
  done
  printf %s "$content" > "$to.substituted"
  cat "$to.substituted" > "$to"
  rm "$to.substituted"
}

substituteInPlace() {
  local files=() file
  while [ $# -gt 0 ] && [[ $1 != --* ]]; do
    files+=("$1")
    shift
  done
  for file in "${files[@]}"; do
    substitute "$file" "$file" "$@"
  done
}

# moveToOutput <glob below an output> <output path>: from whichever output has it.
moveToOutput() {
  local pattern=$1 destination=$2 name source file relative
  for name in $outputs; do
    source=${!name}
    if [ "$source" = "$destination" ]; then continue; fi
    for file in "$source"/$pattern; do
      if [ ! -e "$file" ] && [ ! -L "$file" ]; then continue; fi
      relative=${file#"$source"/}
      mkdir -p "$destination/$(dirname "$relative")"
      if [ -d "$file" ] && [ -d "$destination/$relative" ]; then
        cp -a "$file/." "$destination/$relative/"
        rm -r "$file"
      else
        mv "$file" "$destination/$relative"
      fi
      rmdir --ignore-fail-on-non-empty -p "$(dirname "$file")" 2> /dev/null || true
    done
  done
}

# Words of a variable, or elements of <name>Array.
appendFlags() {
  local -n result=$1
  shift
  local name
  for name; do
    local -n array="${name}Array"
    result+=(${!name-} ${array+"${array[@]}"})
  done
}

makeCommand() {
  local flags=()
  if [ -n "${enableParallelBuilding-1}" ] && [ -n "${NIX_BUILD_CORES-}" ]; then
    flags+=("-j$NIX_BUILD_CORES")
  fi
  flags+=("SHELL=$SHELL")
  appendFlags flags makeFlags
  make ${makefile:+-f "$makefile"} "${flags[@]}" "$@"
}

# --- Phases -----------------------------------------------------------------------

unpackOne() {
  local archive=$1
  case $archive in
    *.tar | *.tar.* | *.tgz | *.tbz2 | *.txz) tar xf "$archive" --no-same-owner --no-same-permissions ;;
    *)
      if [ ! -d "$archive" ]; then
        die "don't know how to unpack $archive: set unpackPhase or dontUnpack"
      fi
      local name=${archive##*/}
      cp -r --preserve=mode,timestamps "$archive" "${name#*-}"
      chmod -R u+w "${name#*-}" ;;
  esac
}

unpackPhase() {
  runHook preUnpack
  local archive directory before=" " found=()
  for directory in */; do before+="$directory "; done
  for archive in ${srcs:-${src-}}; do
    printf 'unpacking %s\n' "$archive"
    unpackOne "$archive"
  done
  if [ -z "${sourceRoot-}" ]; then
    for directory in */; do
      case $before in
        *" $directory "*) ;;
        *) found+=("${directory%/}") ;;
      esac
    done
    if [ ${#found[@]} != 1 ]; then
      die "the source has ${#found[@]} directories at its top (${found[*]}): set sourceRoot"
    fi
    sourceRoot=${found[0]}
  fi
  chmod -R u+w "$sourceRoot"
  runHook postUnpack
}

patchPhase() {
  runHook prePatch
  local file
  for file in ${patches-}; do
    printf 'applying patch %s\n' "$file"
    case $file in
      *.gz) gzip -dc "$file" ;;
      *.xz) xz -dc "$file" ;;
      *) cat "$file" ;;
    esac | patch ${patchFlags:--p1}
  done
  runHook postPatch
}

configurePhase() {
  runHook preConfigure
  local script=${configureScript-} flags=()
  if [ -z "$script" ] && [ -x ./configure ]; then
    script=./configure
  fi
  if [ -n "$script" ]; then
    if [ -z "${dontAddPrefix-}" ]; then flags+=("${prefixKey:---prefix=}$prefix"); fi
    # Programs link to shared libraries; a package that wants both says so.
    if [ -z "${dontDisableStatic-}" ] && grep -q enable-static "$script" 2> /dev/null; then
      flags+=(--disable-static)
    fi
    # Dependencies between source files matter only for building again.
    if [ -z "${dontAddDisableDepTrack-}" ] && grep -q dependency-tracking "$script" 2> /dev/null; then
      flags+=(--disable-dependency-tracking)
    fi
    if [ "$outputDev" != "$prefix" ] || [ "$outputLib" != "$prefix" ] || [ "$outputBin" != "$prefix" ]; then
      if [ -z "${dontSetOutputFlags-}" ]; then
        flags+=("--bindir=$outputBin/bin" "--sbindir=$outputBin/sbin" "--libdir=$outputLib/lib"
          "--includedir=$outputInclude/include" "--mandir=$outputMan/share/man" "--infodir=$outputInfo/share/info"
          "--docdir=$outputDoc/share/doc/${pname:-$name}")
      fi
    fi
    appendFlags flags configureFlags
    printf 'configuring: %s %s\n' "$script" "${flags[*]}"
    if ! $script "${flags[@]}"; then
      if [ -f config.log ]; then
        # The last test, without the dump of variables that follows it.
        printf '%s\n' "--- the end of the tests in config.log ---" >&2
        sed '/^## Cache variables/,$ d' config.log | tail -n 40 >&2
      fi
      die "configure failed"
    fi
  else
    printf 'no configure script: nothing to do\n'
  fi
  runHook postConfigure
}

hasMakefile() {
  [ -n "${makefile-}" ] || [ -e Makefile ] || [ -e makefile ] || [ -e GNUmakefile ]
}

buildPhase() {
  runHook preBuild
  if hasMakefile; then
    local flags=()
    appendFlags flags buildFlags
    makeCommand "${flags[@]}"
  else
    printf 'no makefile: nothing to do\n'
  fi
  runHook postBuild
}

checkPhase() {
  runHook preCheck
  local flags=()
  appendFlags flags checkFlags
  makeCommand "${flags[@]}" ${checkTarget:-check}
  runHook postCheck
}

installPhase() {
  runHook preInstall
  local flags=()
  if [ -n "$prefix" ]; then mkdir -p "$prefix"; fi
  appendFlags flags installFlags
  makeCommand "${flags[@]}" ${installTargets:-install}
  runHook postInstall
}

installCheckPhase() {
  runHook preInstallCheck
  local flags=()
  appendFlags flags installCheckFlags
  makeCommand "${flags[@]}" ${installCheckTarget:-installcheck}
  runHook postInstallCheck
}

# --- What was installed -------------------------------------------------------------

fixupPhase() {
  runHook preFixup
  local name output
  for name in $outputs; do
    if [ -e "${!name}" ]; then chmod -R u+w "${!name}"; fi
  done
  if [ -z "${dontMoveOutputs-}" ]; then moveOutputs; fi
  for name in $outputs; do
    output=${!name}
    if [ ! -e "$output" ]; then continue; fi
    rm -f "$output/share/info/dir"
    if [ -z "${dontRemoveLibtoolFiles-}" ]; then removeLibtoolFiles; fi
    if [ -z "${dontPatchShebangs-}" ]; then patchShebangs "$output"; fi
    listElfFiles
    # First: tools for the host platform don't know other machines' files.
    if [ -z "${dontVerifyMachine-}" ]; then verifyMachine; fi
    if [ -z "${dontStrip-}" ]; then stripFiles; fi
    if [ -z "${dontPatchELF-}" ]; then shrinkRunPaths; fi
    if [ -z "${dontVerifyMachine-}" ]; then verifyReferences; fi
    runHook fixupOutput
  done
  recordPropagatedDependencies
  runHook postFixup
}

moveOutputs() {
  local directory
  for directory in share/man man; do moveToOutput "$directory" "$outputMan"; done
  moveToOutput share/info "$outputInfo"
  moveToOutput share/doc "$outputDoc"
  if [ "$outputDev" != "$outputLib" ]; then
    moveToOutput include "$outputInclude"
    for directory in lib/pkgconfig share/pkgconfig lib/cmake share/aclocal share/cmake; do
      moveToOutput "$directory" "$outputDev"
    done
  fi
  moveToOutput bin "$outputBin"
}

# Libtool's notes about libraries name build-time paths and help nobody here.
removeLibtoolFiles() {
  local file
  while IFS= read -r file; do
    if [[ $(head -c 200 "$file" 2> /dev/null) == *libtool* ]]; then rm "$file"; fi
  done < <(find "$output" -name '*.la' -type f)
}

# The output's ELF files and archives, without starting a program for each file.
listElfFiles() {
  local file magic
  elfFiles=() archiveFiles=()
  while IFS= read -r -d '' file; do
    magic=
    LC_ALL=C IFS= read -r -n 7 magic < "$file" 2> /dev/null || true
    case $magic in
      $'\177ELF'*) elfFiles+=("$file") ;;
      '!<arch>') archiveFiles+=("$file") ;;
    esac
  done < <(find "$output" -type f -size +16c -print0)
}

stripFiles() {
  local program=${STRIP:-strip} file programs=() objects=()
  for file in ${elfFiles+"${elfFiles[@]}"}; do
    case $file in
      *.o) objects+=("$file") ;;
      *) programs+=("$file") ;;
    esac
  done
  objects+=(${archiveFiles+"${archiveFiles[@]}"})
  # Debugging information names the compiler's headers, which would keep the
  # whole compiler in the closure.
  if [ ${#programs[@]} != 0 ]; then
    "$program" -p -D ${stripAllFlags:--S} "${programs[@]}"
  fi
  if [ ${#objects[@]} != 0 ]; then
    "$program" -p -D -S "${objects[@]}"
  fi
}

# Run-time library paths that no needed library is in would only make the
# closure larger.
shrinkRunPaths() {
  local file runPath
  for file in ${elfFiles+"${elfFiles[@]}"}; do
    if runPath=$(patchelf --print-rpath "$file" 2> /dev/null) && [ -n "$runPath" ]; then
      patchelf --shrink-rpath "$file"
    fi
  done
}

# An ELF file for another machine than the host platform in an output is a
# program that was built for the build machine and installed by mistake.
verifyMachine() {
  if [ -z "${hostMachine-}" ]; then return; fi
  local file
  for file in ${elfFiles+"${elfFiles[@]}"}; do
    case " ${allowForeignFiles-} " in
      *" ${file#"$output"/} "*) continue ;;
    esac
    readElfHeader "$file"
    if [ "$elfMachine" != "$hostMachine" ] || [ "$elfClass" != "$hostElfClass" ]; then
      die "$file is for another machine: ELF machine $elfMachine, $elfClass-bit, where the host platform has $hostMachine, $hostElfClass-bit. A compiler for the build platform made it (CC_FOR_BUILD instead of CC?); if that is meant, name it in allowForeignFiles"
    fi
  done
}

# In a cross build, a file that names a store path of a package for the build
# machine would be wrong where the package runs, and bring that into its closure.
verifyReferences() {
  if [ -z "${crossConfig-}" ]; then return; fi
  local entry hostOffset targetOffset package path name file needed=" " patterns=() suspects=()
  for entry in ${allDependencies+"${allDependencies[@]}"}; do
    read -r hostOffset targetOffset package <<< "$entry"
    if [ "$hostOffset" != -1 ]; then needed+="$package "; fi
  done
  for entry in ${allDependencies+"${allDependencies[@]}"}; do
    read -r hostOffset targetOffset package <<< "$entry"
    case "$needed${allowBuildReferences-} " in
      *" $package "*) ;;
      *) if [ "$hostOffset" = -1 ] && [ -d "$package" ]; then suspects+=("$package"); fi ;;
    esac
  done
  suspects+=(${disallowedReferences-})
  for path in "${suspects[@]}"; do
    name=${path##*/}
    patterns+=(-e "${name%%-*}")
  done
  if [ ${#patterns[@]} = 0 ]; then return; fi
  file=$(grep -rlF -m 1 "${patterns[@]}" "$output" 2> /dev/null | head -n 1) || true
  if [ -z "$file" ]; then return; fi
  for path in "${suspects[@]}"; do
    name=${path##*/}
    if grep -qF -e "${name%%-*}" "$file"; then
      die "$file refers to $path, which is for the build platform, while the package is for $crossConfig. It was found in PATH while building: the package needs to be told the host platform's path, or what names it can be removed from the file. If it is meant, add the path to allowBuildReferences"
    fi
  done
}

# Sets elfMachine and elfClass. The shell drops NUL bytes, so the header is read
# in pieces that end at one.
readElfHeader() {
  local LC_ALL=C piece bytes=() position=0 i value
  while [ "$position" -lt 20 ]; do
    if ! IFS= read -r -d '' -n $((20 - position)) piece; then
      # Either the full count was read or the file ended.
      if [ -z "$piece" ]; then break; fi
    fi
    for ((i = 0; i < ${#piece}; i++)); do
      printf -v value %d "'${piece:i:1}"
      bytes[position + i]=$((value & 255))
    done
    position=$((position + ${#piece}))
    if [ "$position" -lt 20 ]; then
      bytes[position]=0
      position=$((position + 1))
    fi
  done < "$1"
  elfClass=$((bytes[4] * 32))
  if [ "${bytes[5]}" = 2 ]; then
    elfMachine=$((bytes[18] * 256 + bytes[19]))
  else
    elfMachine=$((bytes[18] + bytes[19] * 256))
  fi
}

# Interpreters of scripts become store paths: those of the host platform's
# packages where there are any, else, when not cross-building, the build's own.
patchShebangs() {
  local file line interpreter arguments program target
  while IFS= read -r -d '' file; do
    LC_ALL=C IFS= read -r -n 2 line < "$file" 2> /dev/null || continue
    if [ "$line" != '#!' ]; then continue; fi
    IFS= read -r line < "$file" || continue
    line=${line#'#!'}
    read -r interpreter arguments <<< "$line"
    case $interpreter in
      "$NIX_STORE"/*)
        # configure writes its own shell into scripts: wrong for another machine.
        case " $initialPath " in
          *" ${interpreter%/bin/*} "*) ;;
          *) continue ;;
        esac
        if [ -z "${crossConfig-}" ]; then continue; fi
        program=${interpreter##*/} ;;
      */env)
        program=${arguments%% *}
        case $program in -* | *=*) continue ;; esac
        if [ "$program" = "$arguments" ]; then arguments=; else arguments=${arguments#* }; fi ;;
      *) program=${interpreter##*/} ;;
    esac
    target=$(findHostProgram "$program")
    if [ -z "$target" ]; then
      case $interpreter in
        "$NIX_STORE"/*) target=/bin/${program/#bash/sh} ;;
        *) continue ;;
      esac
    fi
    printf 'patching the interpreter of %s: %s\n' "$file" "$target"
    sed -i "1s|.*|#!$target${arguments:+ $arguments}|" "$file"
  done < <(find "$1" -type f -perm /111 -print0)
}

findHostProgram() {
  local entry hostOffset targetOffset package
  for entry in ${allDependencies+"${allDependencies[@]}"}; do
    read -r hostOffset targetOffset package <<< "$entry"
    if [ "$hostOffset" = 0 ] && [ -x "$package/bin/$1" ]; then
      printf %s "$package/bin/$1"
      return
    fi
  done
  if [ -z "${crossConfig-}" ]; then
    type -P "$1" || true
  fi
}

# --- Running it -----------------------------------------------------------------

runPhase() {
  local phase=$1
  case $phase in
    unpackPhase) if [ -n "${dontUnpack-}" ]; then return; fi ;;
    patchPhase) if [ -n "${dontPatch-}" ]; then return; fi ;;
    configurePhase) if [ -n "${dontConfigure-}" ]; then return; fi ;;
    buildPhase) if [ -n "${dontBuild-}" ]; then return; fi ;;
    checkPhase) if [ -z "${doCheck-}" ]; then return; fi ;;
    installPhase) if [ -n "${dontInstall-}" ]; then return; fi ;;
    fixupPhase) if [ -n "${dontFixup-}" ]; then return; fi ;;
    installCheckPhase) if [ -z "${doInstallCheck-}" ]; then return; fi ;;
    distPhase) if [ -z "${doDist-}" ]; then return; fi ;;
  esac
  printf 'phase: %s\n' "${phase%Phase}"
  # A variable of the package replaces the function.
  if [ -n "${!phase-}" ]; then
    eval "${!phase}"
  else
    "$phase"
  fi
  if [ "$phase" = unpackPhase ] && [ -n "${sourceRoot-}" ]; then
    cd "$sourceRoot"
    sourceDirectory=$PWD
  fi
}

genericBuild() {
  local phase
  if [ -n "${buildCommandPath-}" ]; then
    source "$buildCommandPath"
    return
  fi
  if [ -n "${buildCommand-}" ]; then
    eval "$buildCommand"
    return
  fi
  for phase in ${phases:-${prePhases-} unpackPhase patchPhase ${preConfigurePhases-} configurePhase \
    ${preBuildPhases-} buildPhase checkPhase ${preInstallPhases-} installPhase ${preFixupPhases-} \
    fixupPhase installCheckPhase ${preDistPhases-} distPhase ${postPhases-}}; do
    runPhase "$phase"
  done
}

prepareEnvironment
