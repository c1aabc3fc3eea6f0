# Makes the wrapper: links to the tools, and a script for ld.
mkdir -p "$out/bin" "$out/libexec" "$out/nix-support"

for program in "$bintools/bin/$programPrefix"*; do
  name=${program##*/}
  name=${name#"$programPrefix"}
  case $name in
    ld | ld.bfd | ld.gold | gp-* | gprofng*) continue ;;
  esac
  ln -s "$program" "$out/bin/$targetPrefix$name"
done

# libc's linker script names the interpreter, which may have a directory of its own.
interpreterFlag=
if [ -n "$dynamicLinker" ] && [ "${dynamicLinker%/*}" != "$libraryPath" ]; then
  interpreterFlag=-L${dynamicLinker%/*}
fi

substitute() {
  sed \
    -e "s|@shell@|$shell|g" \
    -e "s|@out@|$out|g" \
    -e "s|@linker@|$bintools/bin/${programPrefix}$linker|g" \
    -e "s|@dynamicLinker@|$dynamicLinker|g" \
    -e "s|@libraryPath@|$libraryPath|g" \
    -e "s|@libraryFlag@|${libraryPath:+-L$libraryPath}|g" \
    -e "s|@interpreterFlag@|$interpreterFlag|g" \
    -e "s|@sysrootPattern@|${sysroot:-/none}\*|g" \
    -e "s|@suffixSalt@|$suffixSalt|g" \
    -e "s|@targetPrefix@|$targetPrefix|g" \
    "$1" > "$2"
}
substitute "$ldWrapper" "$out/bin/${targetPrefix}ld"
chmod +x "$out/bin/${targetPrefix}ld"
ln -s "${targetPrefix}ld" "$out/bin/${targetPrefix}ld.bfd"
substitute "$setupHook" "$out/nix-support/setup-hook"

# Without the prefix, where the compiler looks for its assembler and linker.
for name in as nm ar ranlib strip objcopy dlltool windres; do
  if [ ! -e "$out/bin/$targetPrefix$name" ]; then continue; fi
  ln -s "$out/bin/$targetPrefix$name" "$out/libexec/$name"
done
ln -s "$out/bin/${targetPrefix}ld" "$out/libexec/ld"
ln -s "$out/bin/${targetPrefix}ld" "$out/libexec/ld.bfd"
if [ "$linker" = wasm-ld ]; then
  # Debian's Clang asks for the one of its own version.
  for name in wasm-ld wasm-ld-14; do ln -s "../bin/${targetPrefix}ld" "$out/libexec/$name"; done
fi
printf '%s\n' "$dynamicLinker" > "$out/nix-support/dynamic-linker"
