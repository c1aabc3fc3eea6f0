{ lib, fromSeed, targetPlatform, buildPlatform }:

let
  isCross = !lib.systems.equals buildPlatform targetPlatform;
in
fromSeed {
  pname = "meson";
  debs = [
    "meson" "python3.11-minimal" "libpython3.11-minimal" "libpython3.11-stdlib" "libexpat1" "libffi8" "libuuid1" "libssl3"
    "python3-pkg-resources" "python3-setuptools" "ninja-build"
  ];
  links = [ "bin/python3=python3.11" ];
  # When it installs, Meson takes out run-time library paths that it thinks it put
  # in; those below the store are the linker wrapper's.
  commands = ''
    mkdir -p "$out/lib"
    cp -r "$tree/lib/python3/dist-packages/mesonbuild" "$out/lib/"
    chmod -R u+w "$out/lib"
    substituteInPlace "$out/lib/mesonbuild/scripts/depfixer.py" --replace-fail \
      "if not (rpath_dir in rpath_dirs_to_remove or" \
      "if rpath_dir.startswith(b'/nix/store/') or not (rpath_dir in rpath_dirs_to_remove or"
    rm "$out/bin/meson"
    # Ninja calls it by the name of this file, and so gets the changed one.
    printf '#!%s/bin/python3\nimport sys\nsys.path.insert(0, "%s")\nfrom mesonbuild.mesonmain import main\nsys.exit(main())\n' \
      "$tree" "$out/lib" > "$out/bin/meson"
    chmod +x "$out/bin/meson"
  '';
  setupHook = ./setup-hook.sh;
  substitutions = {
    mesonSystem = if isCross then targetPlatform.parsed.kernel.name else "";
    mesonCpuFamily =
      let cpu = targetPlatform.parsed.cpu; in
      if targetPlatform.isAarch32 then "arm"
      else if targetPlatform.isx86_32 then "x86"
      else { powerpc = "ppc"; powerpc64 = "ppc64"; powerpc64le = "ppc64"; mipsel = "mips"; mips64el = "mips64"; }.${cpu.name} or cpu.name;
    mesonCpu = targetPlatform.parsed.cpu.name;
    mesonEndian = if targetPlatform.isLittleEndian then "little" else "big";
  };
  meta = {
    description = "Build system, to run in builds";
    homepage = "https://mesonbuild.com/";
    license = lib.licenses.asl20;
    mainProgram = "meson";
  };
}
