{ lib, fromSeed }:

# Which platform it makes code for, GOOS and GOARCH say, which the compiler's
# wrapper sets (stdenv/cc-wrapper).
fromSeed {
  pname = "go";
  debs = [ "golang-1.19-go" "golang-1.19-src" ];
  links = [ "bin/go=../lib/go-1.19/bin/go" "bin/gofmt=../lib/go-1.19/bin/gofmt" ];
  wrap.go = [ "GOROOT=@tree@/lib/go-1.19" "GOCACHE=\${GOCACHE:-$NIX_BUILD_TOP/go-cache}" "GOPATH=\${GOPATH:-$NIX_BUILD_TOP/go}" "GOFLAGS=\"\${GOFLAGS--trimpath}\"" "GO111MODULE=\${GO111MODULE:-auto}" ];
  meta = {
    description = "Go compiler and tools, to run in builds";
    homepage = "https://go.dev/";
    license = lib.licenses.bsd3;
    mainProgram = "go";
  };
}
