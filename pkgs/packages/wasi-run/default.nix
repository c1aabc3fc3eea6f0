# Runs WebAssembly programs for WASI: `wasi-run PROGRAM ARGUMENT…`, in the working
# directory, with the engine that is in Node.js.
{ lib, stdenvNoCC, fromSeed }:

fromSeed {
  pname = "wasi-run";
  debs = [
    "nodejs" "libnode108" "libuv1" "libc-ares2" "libnghttp2-14" "libicu72" "libbrotli1" "libssl3"
    "node-acorn" "node-cjs-module-lexer" "node-undici"
  ];
  # Node.js does not start without five scripts whose absolute paths are compiled in.
  # Paths below a descriptor, which the script opens, are as long.
  commands = ''
    rm "$out"/bin/*
    mkdir -p "$out/lib" "$out/share"
    sed 's|/usr/share/nodejs/|/proc/self/fd/91//|g' "$tree"/lib/*/libnode.so.108 > "$out/lib/libnode.so.108"
    if ! grep -q /proc/self/fd/91// "$out/lib/libnode.so.108"; then die "Node.js has its scripts elsewhere than in /usr/share/nodejs"; fi
    cp ${./wasi-run.js} "$out/share/wasi-run.js"
    printf '#!%s\nexec 91< %s\n%s exec %s %s "$@"\n' ${stdenvNoCC.shell} "$tree/share/nodejs" \
      "LD_LIBRARY_PATH=$out/lib" "$tree/bin/node --no-warnings --experimental-wasi-unstable-preview1" \
      "$out/share/wasi-run.js" > "$out/bin/wasi-run"
    chmod +x "$out/bin/wasi-run"
  '';
  meta = {
    description = "Runs WebAssembly programs for WASI";
    homepage = "https://nodejs.org/";
    license = lib.licenses.mit;
    mainProgram = "wasi-run";
  };
}
