# Programs cross-built for a platform, put to work while building: an attribute for
# each, whose build runs them under emulation and compares what they say.
#
#   saltire build -f pkgs/tests/programs.nix sqlite curl --argstr platform aarch64-multiplatform
{ platform ? "riscv64", pkgs ? import ../. { } }:

let
  cross = pkgs.pkgsCross.${platform};
  inherit (pkgs) lib;
  inherit (cross.stdenv) hostPlatform;

  # A shell script in which each of `packages` can be called by its name, with
  # `same TEXT COMMAND…`, which runs a command that is to say the text.
  uses = packages: script: name: pkgs.runCommand "${name}-works-on-${platform}"
    {
      requiredSystemFeatures =
        lib.optional (!pkgs.stdenv.hostPlatform.canExecute hostPlatform) "emulate-${hostPlatform.system}";
    }
    ''
      PATH=${lib.makeBinPath (map (name: cross.${name}) packages)}:$PATH
      same() {
        local expected=$1 actual
        shift
        actual=$("$@" 2>&1) || die "'$*' failed: $actual"
        if [ "$actual" != "$expected" ]; then die "'$*' said '$actual' instead of '$expected'"; fi
      }
      ${script}
      touch "$out"
    '';

  # A C program that is linked to `libraries`.
  linked = libraries: flags: text: expected: name: cross.stdenv.mkDerivation {
    name = "${name}-works";
    buildInputs = map (name: cross.${name}) libraries;
    inherit text;
    passAsFile = [ "text" ];
    dontUnpack = true;
    buildPhase = ''cp "$textPath" a.c; $CC a.c -o program ${flags}'';
    doCheck = true;
    emulateHost = true;
    checkPhase = ''
      actual=$(./program)
      if [ "$actual" != ${lib.escapeShellArg expected} ]; then die "the program says '$actual'"; fi
    '';
    installPhase = ''install -D program -t "$out/bin"'';
  };
in
builtins.mapAttrs (name: make: make name) {
  bash = uses [ "bash" ] ''
    same 42 bash -c 'declare -A a=([x]=40); for i in 1 2; do ((a[x]++)); done; echo "''${a[x]}"'
    same "3 b" bash -c 'mapfile -t lines < <(printf "a\nb\nc\n"); echo "''${#lines[@]} ''${lines[1]}"'
    # Jobs and signals.
    same "stopped by 15" bash -c 'sleep 100 & kill %1; wait %1; echo "stopped by $(($? - 128))"'
  '';
  coreutils = uses [ "coreutils" ] ''
    printf 'b\na\nc\n' > letters
    same "a b c" ${cross.coreutils}/bin/paste -sd ' ' <(${cross.coreutils}/bin/sort letters)
    same "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -" sh -c "printf abc | sha256sum"
    same "rw-r-----" sh -c 'touch f; chmod 640 f; stat -c %A f | cut -c2-'
    same 1970-01-02 date -u -d @86400 +%F
  '';
  findutils = uses [ "findutils" ] ''
    mkdir -p a/b; touch a/1.c a/b/2.c a/b/3.h
    same "a/1.c a/b/2.c" sh -c 'find a -name "*.c" -print0 | sort -z | xargs -0 echo'
  '';
  gawk = uses [ "gawk" ] ''
    printf 'x 1\ny 2\nx 3\n' > table
    same "x=4 y=2" gawk '{ sum[$1] += $2 } END { n = asorti(sum, k); for (i = 1; i <= n; i++) printf "%s%s=%d", (i > 1 ? " " : ""), k[i], sum[k[i]]; print "" }' table
  '';
  m4 = uses [ "m4" ] ''
    printf 'define(`twice'"'"', `$1$1'"'"')twice(ab) eval(6*7)' > in.m4
    same "abab 42" m4 in.m4
  '';
  flex = uses [ "flex" "m4" ] ''
    printf '%%%%\n[0-9]+ return 1;\n%%%%\n' > l.l
    flex -o l.c l.l
    same 1 grep -c 'int yylex (void)$' l.c
  '';
  bison = uses [ "bison" ] ''
    printf '%%%%\ns: | s "x";\n' > g.y
    bison g.y -o g.c
    grep -q yyparse g.c
  '';
  sqlite = uses [ "sqlite" ] ''
    sqlite3 file.db 'create table t (n integer, s text); insert into t values (1, "a"), (2, "b"), (40, "b")'
    same "a|1 b|42" sh -c 'sqlite3 file.db "select s, sum(n) from t group by s order by s" | paste -sd " "'
    same ok sqlite3 file.db 'pragma integrity_check'
    same 3.0 sqlite3 :memory: 'select sqrt(9)'
  '';
  openssl = uses [ "openssl" ] ''
    same "SHA2-256(stdin)= ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" sh -c 'printf abc | openssl dgst -sha256'
    # A key signs, and the signature holds; of another text it does not.
    openssl genpkey -algorithm ed25519 -out key
    openssl pkey -in key -pubout -out public
    printf abc > text
    openssl pkeyutl -sign -rawin -inkey key -in text -out signature
    same "Signature Verified Successfully" openssl pkeyutl -verify -rawin -pubin -inkey public -in text -sigfile signature
    printf abd > text
    if openssl pkeyutl -verify -rawin -pubin -inkey public -in text -sigfile signature; then die "verified another text"; fi
  '';
  # From a server on this machine, in the builder's own network.
  curl = uses [ "curl" ] ''
    mkdir site
    echo "from the server" > site/file
    ${pkgs.python3}/bin/python3 -u -m http.server --bind 127.0.0.1 --directory site 8080 > log 2>&1 &
    until grep -q Serving log; do sleep 0.1; done
    same "from the server" curl -sS http://127.0.0.1:8080/file
    same 404 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/nothing
    kill $!
  '';
  dtc = uses [ "dtc" ] ''
    printf '/dts-v1/;\n/ { model = "Board"; cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { reg = <0>; }; }; };\n' > board.dts
    dtc -I dts -O dtb -o board.dtb board.dts
    same d00dfeed sh -c 'head -c 4 board.dtb | od -An -tx1 | tr -d " \n"'
    same Board fdtget board.dtb / model
    fdtput -t s board.dtb / model Changed
    dtc -I dtb -O dts -o again.dts board.dtb
    grep -q 'model = "Changed";' again.dts
    grep -q 'cpu@0 {' again.dts
  '';
  strace = uses [ "strace" ] ''strace -V | grep -q "^strace -- version"'';
  # A compiler that runs there makes a program for there.
  gcc = uses [ "gcc" "binutils" ] ''
    printf '#include <stdio.h>\nint main(void) { puts("compiled where it runs"); return 0; }\n' > a.c
    gcc -O1 a.c -o a
    same "compiled where it runs" ./a
    printf '#include <iostream>\nint main() { std::cout << "and C++" << std::endl; }\n' > b.cc
    g++ b.cc -o b
    same "and C++" ./b
    gcc -c a.c && ar rcs liba.a a.o
    same main sh -c "nm liba.a | sed -n 's/.* T //p'"
  '';
  gnutar = uses [ "gnutar" "gzip" "xz" "bzip2" ] ''
    echo text > file
    # By path: tar asks /bin/sh for a name, which in the sandbox is a BusyBox that
    # takes its own programs first, and its xz can't compress.
    for kind in gzip xz bzip2; do
      tar -I "$(type -p $kind)" -cf archive file
      same text tar -I "$(type -p $kind)" -xOf archive file
    done
  '';
  diffutils = uses [ "diffutils" "gnupatch" "gnugrep" "gnused" ] ''
    printf 'a\nb\n' > old
    sed 's/b/c/' old > new
    same 0 sh -c 'diff -u old new > change; cp old again; patch -s again < change; cmp again new; echo $?'
    same 1:a grep -n '^[[:lower:]]$' -m1 again
  '';
  perl = uses [ "perl" ] ''
    same "The answer is 42" perl -e '$_ = "answer 42"; /(\w+) (\d+)/; printf "The %s is %d\n", $1, $2'
    # Modules that are compiled.
    same 900150983cd24fb0d6963f7d28e17f72 perl -MDigest::MD5=md5_hex -e 'print md5_hex("abc")'
    same "6 3" perl -MList::Util=sum,max -MPOSIX=floor -e 'print sum(1, 2, 3), " ", max(1, floor(3.5))'
    same abcabc perl -MCompress::Zlib -e 'print Compress::Zlib::memGunzip(Compress::Zlib::memGzip("abcabc"))'
    same '{"a":[1,2]}' perl -MJSON::PP -MStorable=dclone -e 'print JSON::PP->new->encode(dclone({ a => [1, 2] }))'
    same "a thread" perl -Mthreads -e 'print threads->create(sub { "a thread" })->join'
    same ${lib.escapeShellArg (toString hostPlatform.parsed.cpu.bits)} perl -MConfig -e 'print 8 * $Config{ptrsize}'
  '';
  python3 = uses [ "python3" ] ''
    cat > program.py <<'END'
    import bz2, ctypes, curses, decimal, hashlib, json, lzma, platform, readline, select, socket, sqlite3, ssl, struct, threading, zlib
    import xml.etree.ElementTree as tree
    data = b"some text" * 100
    for module in (bz2, lzma, zlib):
        assert module.decompress(module.compress(data)) == data, module
    database = sqlite3.connect(":memory:")
    assert database.execute("select 6 * 7").fetchone() == (42,)
    assert ctypes.CDLL(None).abs(-42) == 42
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)
    assert callback(41) == 42
    assert ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
    assert tree.fromstring("<a><b>42</b></a>").find("b").text == "42"
    print(platform.machine(), 8 * struct.calcsize("P"), decimal.Decimal("0.1") * 3)
    END
    machine=$(python3 -c 'import os; print(os.uname().machine)')
    same "$machine ${toString hostPlatform.parsed.cpu.bits} 0.3" python3 program.py
    # Its modules are compiled, as the store can't be written.
    test -e ${cross.python3}/lib/python3.11/__pycache__/os.cpython-311.pyc
  '';
  expat = linked [ "expat" ] "-lexpat" ''
    #include <expat.h>
    #include <stdio.h>
    #include <string.h>
    static int depth;
    static void start(void *data, const char *name, const char **attributes) { printf("%d%s ", depth++, name); }
    static void end(void *data, const char *name) { depth--; }
    int main(void)
    {
      const char *text = "<a><b/><c>text</c></a>";
      XML_Parser parser = XML_ParserCreate(NULL);
      XML_SetElementHandler(parser, start, end);
      int good = XML_Parse(parser, text, strlen(text), 1);
      puts(good ? "good" : "bad");
      XML_ParserFree(parser);
      return 0;
    }
  '' "0a 1b 1c good";
  zlib = linked [ "zlib" ] "-lz" ''
    #include <stdio.h>
    #include <string.h>
    #include <zlib.h>
    int main(void)
    {
      unsigned char text[1000], packed[1000], again[1000];
      uLongf size = sizeof packed, length = sizeof again;
      memset(text, 'x', sizeof text);
      if (compress(packed, &size, text, sizeof text) != Z_OK) return 1;
      if (uncompress(again, &length, packed, size) != Z_OK) return 2;
      printf("%s %s %08lx\n", size < 50 ? "small" : "large", memcmp(text, again, sizeof text) ? "other" : "same",
        crc32(0, (const unsigned char *)"abc", 3));
      return 0;
    }
  '' "small same 352441c2";
  libffi = linked [ "libffi" ] "-lffi" ''
    #include <ffi.h>
    #include <stdio.h>
    static double mix(int a, double b, const char *c) { return a + b + c[0]; }
    int main(void)
    {
      ffi_cif cif;
      ffi_type *types[] = { &ffi_type_sint, &ffi_type_double, &ffi_type_pointer };
      int a = 1;
      double b = 0.5, result;
      const char *c = "A";
      void *values[] = { &a, &b, &c };
      if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 3, &ffi_type_double, types) != FFI_OK) return 1;
      ffi_call(&cif, FFI_FN(mix), &result, values);
      printf("%.1f\n", result);
      return 0;
    }
  '' "66.5";
  readline = linked [ "readline" "ncurses" ] "-lreadline" ''
    #include <stdio.h>
    #include <readline/history.h>
    int main(void)
    {
      using_history();
      add_history("first");
      add_history("second");
      char *expanded;
      int known = history_expand("!! again", &expanded);
      printf("%d %s\n", known, expanded);
      return 0;
    }
  '' "1 second again";
  ncurses = linked [ "ncurses" ] "-lncursesw" ''
    #include <curses.h>
    #include <stdio.h>
    #include <term.h>
    int main(void)
    {
      int error;
      if (setupterm("xterm", 1, &error) != OK) return 1;
      printf("%d columns, %s\n", tigetnum("cols"), tigetstr("cuu1") + 1);
      return 0;
    }
  '' "80 columns, [A";
}
