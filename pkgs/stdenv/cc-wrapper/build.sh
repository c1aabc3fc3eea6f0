# Makes the wrapper: a script for each compiler driver.
mkdir -p "$out/bin" "$out/nix-support"

substitute() {
  sed \
    -e "s|@shell@|$shell|g" \
    -e "s|@out@|$out|g" \
    -e "s|@compiler@|$compiler|g" \
    -e "s|@language@|$language|g" \
    -e "s|@bintools@|$bintools|g" \
    -e "s|@sysroot@|$sysroot|g" \
    -e "s|@machineFlags@|$machineFlags|g" \
    -e "s|@gccLibraryPath@|$gccLibraryPath|g" \
    -e "s|@suffixSalt@|$suffixSalt|g" \
    -e "s|@targetPrefix@|$targetPrefix|g" \
    "$1" > "$2"
}

driver() {
  local compiler="$cc/bin/$programPrefix$1-$major" language=$2 name
  shift 2
  for name; do
    substitute "$ccWrapper" "$out/bin/$targetPrefix$name"
    chmod +x "$out/bin/$targetPrefix$name"
  done
}
driver gcc c gcc cc
driver g++ c++ g++ c++
driver cpp c cpp
for name in gcc-ar gcc-nm gcc-ranlib; do
  # These look for ar and the like under names that only Debian uses.
  printf '#!%s\nexec %s -B%s/libexec/ "$@"\n' \
    "$shell" "$cc/bin/$programPrefix$name-$major" "$bintools" > "$out/bin/$targetPrefix$name"
  chmod +x "$out/bin/$targetPrefix$name"
done

substitute "$setupHook" "$out/nix-support/setup-hook"
printf '%s\n' "$bintools" > "$out/nix-support/propagated-build-inputs"
