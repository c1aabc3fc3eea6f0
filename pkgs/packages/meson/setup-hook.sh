# Configures with Meson where the package has no phases of its own. In a cross
# build it is given a cross file that names the platform and the tools.
mesonSystem=@mesonSystem@

writeMesonCrossFile() {
  mesonCrossFile=$NIX_BUILD_TOP/cross.ini
  {
    printf "[binaries]\nc = '%s'\n" "$CC"
    if [ -n "${CXX-}" ]; then printf "cpp = '%s'\n" "$CXX"; fi
    printf "ar = '%s'\nstrip = '%s'\n" "$AR" "$STRIP"
    if [ -n "${PKG_CONFIG-}" ]; then printf "pkgconfig = '%s'\n" "$PKG_CONFIG"; fi
    printf "\n[host_machine]\nsystem = '%s'\ncpu_family = '%s'\ncpu = '%s'\nendian = '%s'\n" \
      "$mesonSystem" "@mesonCpuFamily@" "@mesonCpu@" "@mesonEndian@"
    if [ -n "${doCheck-}" ]; then printf "\n[properties]\nneeds_exe_wrapper = false\n"; fi
  } > "$mesonCrossFile"
}

mesonConfigurePhase() {
  runHook preConfigure
  local flags=(
    --prefix="$prefix" --bindir="$outputBin/bin" --libdir="$outputLib/lib" --includedir="$outputInclude/include"
    --mandir="$outputMan/share/man" --buildtype="${mesonBuildType:-plain}" --wrap-mode=nodownload
  )
  if [ -n "$mesonSystem" ]; then
    writeMesonCrossFile
    flags+=(--cross-file="$mesonCrossFile")
  fi
  appendFlags flags mesonFlags
  printf 'configuring: meson setup build %s\n' "${flags[*]}"
  meson setup build "${flags[@]}"
  cd build
  runHook postConfigure
}

if [ -z "${dontUseMesonConfigure-}" ] && [ -z "${configurePhase-}" ]; then
  configurePhase=mesonConfigurePhase
fi
