# Configures with CMake where there is a CMakeLists.txt. In a cross build it is
# given a toolchain file that names the platform, the tools and where to look.
cmakeSystem=@cmakeSystem@
cmakeProcessor=@cmakeProcessor@

addCMakePrefix() {
  addToSearchPath CMAKE_PREFIX_PATH "$1"
}
addEnvHooks "$targetOffset" addCMakePrefix

# Writes the toolchain file and sets cmakeToolchainFile.
writeCMakeToolchainFile() {
  cmakeToolchainFile=$NIX_BUILD_TOP/toolchain.cmake
  local name
  {
    printf 'set(CMAKE_SYSTEM_NAME %s)\nset(CMAKE_SYSTEM_PROCESSOR %s)\n' "$cmakeSystem" "$cmakeProcessor"
    printf 'set(CMAKE_C_COMPILER %s)\n' "$(type -P "$CC")"
    if [ -n "${CXX-}" ]; then printf 'set(CMAKE_CXX_COMPILER %s)\n' "$(type -P "$CXX")"; fi
    for name in AR RANLIB STRIP NM OBJCOPY; do
      if [ -n "${!name-}" ]; then printf 'set(CMAKE_%s %s CACHE FILEPATH "")\n' "$name" "$(type -P "${!name}")"; fi
    done
    # Programs are the build platform's; libraries and headers never.
    printf 'set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)\n'
    if [ -n "${PKG_CONFIG-}" ]; then
      printf 'set(PKG_CONFIG_EXECUTABLE %s CACHE FILEPATH "")\n' "$(type -P "$PKG_CONFIG")"
    fi
  } > "$cmakeToolchainFile"
}

cmakeConfigurePhase() {
  runHook preConfigure
  local flags=(
    -DCMAKE_BUILD_TYPE="${cmakeBuildType:-Release}" -DCMAKE_INSTALL_PREFIX="$prefix"
    -DCMAKE_INSTALL_BINDIR="$outputBin/bin" -DCMAKE_INSTALL_LIBDIR="$outputLib/lib"
    -DCMAKE_INSTALL_INCLUDEDIR="$outputInclude/include"
    # Run-time library paths are the linker wrapper's affair.
    -DCMAKE_SKIP_BUILD_RPATH=OFF -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON
    -DCMAKE_FIND_USE_SYSTEM_PACKAGE_REGISTRY=OFF -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    -DCMAKE_SYSTEM_PREFIX_PATH=
  )
  if [ -n "$cmakeSystem" ]; then
    writeCMakeToolchainFile
    flags+=(-DCMAKE_TOOLCHAIN_FILE="$cmakeToolchainFile")
  fi
  appendFlags flags cmakeFlags
  if [ -z "${dontUseCmakeBuildDir-}" ]; then
    mkdir -p build
    cd build
    cmakeSource=..
  fi
  printf 'configuring: cmake %s\n' "${flags[*]}"
  cmake "${cmakeSource:-.}" "${flags[@]}"
  runHook postConfigure
}

if [ -z "${dontUseCmakeConfigure-}" ] && [ -z "${configurePhase-}" ]; then
  configurePhase=cmakeConfigurePhase
fi
