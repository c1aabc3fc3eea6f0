#!@shell@
# ld with the program interpreter and the run-time library path set to what the
# command line links to. Runs once for each link: nothing but the shell's own
# commands, except for @response files.
set -f

# Where the compiler's run-time libraries are; set by the compiler's wrapper.
gcc_directory=${NIX_GCC_LIBRARY_PATH_@suffixSalt@-}
# Nothing is loaded at run time where there is no dynamic linker.
dynamic=@dynamicLinker@
needs_interpreter=$dynamic
relocatable=
libraries=
directories=
rpaths=

# What is on the command line. Options with an argument of their own keep it:
# `-o -shared` is a file name.
scan() {
  while [ $# -gt 0 ]; do
    case $1 in
      -shared | --shared | -Bshareable) needs_interpreter= ;;
      -static | --static | -static-pie | -non_shared | -Bstatic-pie)
        needs_interpreter= dynamic= ;;
      -pie | --pie | -Bstatic | -Bdynamic | -dn | -dy) ;;
      # Firmware and static position-independent programs: nothing is loaded.
      --no-dynamic-linker | -no-dynamic-linker) needs_interpreter= dynamic= ;;
      -r | -i | -Ur | --relocatable | -relocatable) relocatable=1 ;;
      -dynamic-linker=* | --dynamic-linker=*) needs_interpreter= ;;
      -I | -dynamic-linker | --dynamic-linker)
        # GCC names the platform's conventional path: ours, later, wins. Any other
        # is somebody's wish.
        shift
        case $1 in
          /lib/* | /lib64/* | /lib32/* | /libx32/*) ;;
          *) needs_interpreter= ;;
        esac ;;
      -o | -m | -T | -z | -h | -soname | -e | -u | -y | -Y | -A | -b | -c | -G | -a | -F | -f \
        | -plugin | -rpath-link | --rpath-link | -rpath | --rpath | -R | -Map | -assert | -defsym | --defsym \
        | --script | --version-script | -version-script | --dynamic-list | --entry | --sysroot)
        shift ;;
      -l) shift; libraries="$libraries $1" ;;
      -l?*) libraries="$libraries ${1#-l}" ;;
      -L) shift; directory "$1" ;;
      -L?*) directory "${1#-L}" ;;
      --library-path=*) directory "${1#--library-path=}" ;;
      --library=*) libraries="$libraries ${1#--library=}" ;;
      /nix/store/*.so | /nix/store/*.so.*) add_rpath "${1%/*}" ;;
      @?*) if [ -f "${1#@}" ]; then scan_file "${1#@}"; fi ;;
    esac
    shift
  done
}

# The words of a response file. Quotes are understood as the linker does, for
# which `xargs` is the tool at hand.
scan_file() {
  local words
  words=$(<"$1")
  case $words in
    *[\"\'\\]*) mapfile -t words < <(xargs -n 1 printf '%s\n' < "$1"); scan "${words[@]}" ;;
    *) scan $words ;;
  esac
}

# Directories of store paths that libraries may come from at run time; the
# compiler's and the C library's own are known already.
directory() {
  case $1 in
    @sysrootPattern@ | */gcc-unwrapped-* | */lib/gcc/* | */lib/gcc-cross/*) ;;
    /nix/store/*) directories="$directories $1" ;;
  esac
}

add_rpath() {
  case " $rpaths " in
    *" $1 "*) ;;
    *) rpaths="$rpaths $1" ;;
  esac
}

extra=
case ${NIX_BINTOOLS_TARGET_HOST_@suffixSalt@-} in
  1) extra="$extra ${NIX_LDFLAGS-}" ;;
esac
case ${NIX_BINTOOLS_TARGET_BUILD_@suffixSalt@-} in
  1) extra="$extra ${NIX_LDFLAGS_FOR_BUILD-}" ;;
esac
case ${NIX_BINTOOLS_TARGET_TARGET_@suffixSalt@-} in
  1) extra="$extra ${NIX_LDFLAGS_FOR_TARGET-}" ;;
esac

scan "$@" $extra

if [ -n "$relocatable" ]; then
  exec @linker@ "$@"
fi

after=
if [ -n "$needs_interpreter" ]; then
  after="$after -dynamic-linker @dynamicLinker@"
fi
if [ -n "$dynamic" ]; then
  for name in $libraries; do
    for place in $directories; do
      case $name in
        :*.so*) if [ -e "$place/${name#:}" ]; then add_rpath "$place"; break; fi ;;
        *) if [ -e "$place/lib$name.so" ]; then add_rpath "$place"; break; fi ;;
      esac
    done
  done
  for place in $rpaths @libraryPath@ $gcc_directory; do
    after="$after -rpath $place"
  done
  # For libraries that the named libraries need: with a sysroot, the linker does
  # not look at -rpath for these.
  for place in $directories @libraryPath@ $gcc_directory; do
    after="$after -rpath-link $place"
  done
fi

if [ -n "${NIX_DEBUG-}" ]; then
  printf 'ld wrapper adds:%s%s\n' "$extra" "$after" >&2
fi
exec @linker@ "$@" @libraryFlag@ @interpreterFlag@ ${gcc_directory:+-L$gcc_directory} $extra $after
