#!@shell@
# The compiler, told where its C library, assembler, linker and the packages of
# this build are. Runs once for each compilation: only the shell's own commands.
set -f

sysroot=@sysroot@
static=@alwaysStatic@
for argument; do
  case $argument in
    -shared | -r | -static-pie) static= ;;
    --sysroot | --sysroot=* | -nostdinc) sysroot= ;;
    # Questions that need none of it.
    -dumpmachine | -dumpversion | -dumpfullversion) exec @compiler@ "$@" ;;
  esac
done

before="$sysroot -B@bintools@/libexec/ @machineFlags@ $static"
after=
case ${NIX_CC_TARGET_HOST_@suffixSalt@-} in
  1) after="$after ${NIX_CFLAGS_COMPILE-}"
    before="$before ${NIX_CFLAGS_COMPILE_BEFORE-}" ;;
esac
case ${NIX_CC_TARGET_BUILD_@suffixSalt@-} in
  1) after="$after ${NIX_CFLAGS_COMPILE_FOR_BUILD-}" ;;
esac
case ${NIX_CC_TARGET_TARGET_@suffixSalt@-} in
  1) after="$after ${NIX_CFLAGS_COMPILE_FOR_TARGET-}" ;;
esac

# ld finds libstdc++ and the like here.
export NIX_GCC_LIBRARY_PATH_@suffixSalt@=@gccLibraryPath@

if [ -n "${NIX_DEBUG-}" ]; then
  printf 'cc wrapper adds: %s ... %s\n' "$before" "$after" >&2
fi
exec @compiler@ $before "$@" $after
