# Makes the wrapper: a script for each compiler driver.
mkdir -p "$out/bin" "$out/nix-support"

substitute() {
  sed \
    -e "s|@shell@|$shell|g" \
    -e "s|@out@|$out|g" \
    -e "s|@compiler@|$compiler|g" \
    -e "s|@bintools@|$bintools|g" \
    -e "s|@sysroot@|${sysroot:+--sysroot=$sysroot}|g" \
    -e "s|@machineFlags@|$machineFlags|g" \
    -e "s|@alwaysStatic@|$alwaysStatic|g" \
    -e "s|@gccLibraryPath@|$gccLibraryPath|g" \
    -e "s|@suffixSalt@|$suffixSalt|g" \
    -e "s|@targetPrefix@|$targetPrefix|g" \
    -e "s|@c@|$c|g" \
    -e "s|@cxx@|$cxx|g" \
    -e "s|@cpp@|$cpp|g" \
    -e "s|@cargoTarget@|$cargoTarget|g" \
    -e "s|@rustTarget@|$rustTarget|g" \
    -e "s|@goVariables@|$goVariables|g" \
    "$1" > "$2"
}

driver() {
  local compiler="$cc/bin/$programPrefix$1$programSuffix" name
  shift
  for name; do
    substitute "$ccWrapper" "$out/bin/$targetPrefix$name"
    chmod +x "$out/bin/$targetPrefix$name"
  done
}
driver "$c" "$c" cc
if [ -n "$cxx" ]; then driver "$cxx" "$cxx" c++; fi
driver "$cpp" "$cpp"
if [ "$kind" = gcc ]; then
  for name in gcc-ar gcc-nm gcc-ranlib; do
    # These look for ar and the like under names that only Debian uses.
    printf '#!%s\nexec %s -B%s/libexec/ "$@"\n' \
      "$shell" "$cc/bin/$programPrefix$name$programSuffix" "$bintools" > "$out/bin/$targetPrefix$name"
    chmod +x "$out/bin/$targetPrefix$name"
  done
fi

substitute "$setupHook" "$out/nix-support/setup-hook"
printf '%s\n' "$bintools" > "$out/nix-support/propagated-build-inputs"
