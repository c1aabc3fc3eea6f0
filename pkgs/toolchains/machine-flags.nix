# What a platform's record says about its processor, as options of GCC.
{ lib, platform }:

let inherit (platform) gcc;
in
lib.concatLists [
  (lib.optional (gcc ? arch) "-march=${gcc.arch}")
  (lib.optional (gcc ? cpu) "-mcpu=${gcc.cpu}")
  (lib.optional (gcc ? abi) "-mabi=${gcc.abi}")
  (lib.optional (gcc ? fpu) "-mfpu=${gcc.fpu}")
  (lib.optional (gcc ? float && platform.isAarch32) "-mfloat-abi=${gcc.float}")
  (lib.optional (gcc ? float && platform.isMips) "-m${gcc.float}-float")
  (lib.optional (gcc ? tune) "-mtune=${gcc.tune}")
]
