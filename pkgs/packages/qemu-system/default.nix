{ lib, fromSeed }:

# With firmware; both find each other from where they are.
fromSeed {
  pname = "qemu-system";
  debs = [
    "qemu-system-misc" "qemu-system-arm" "qemu-system-data" "opensbi"
    "libaio1" "libbpf1" "libblkid1" "libcapstone4" "libdaxctl1" "libdb5.3" "libelf1"
    "libexecs0" "libfdt1" "libffi8" "libfuse3-3" "libglib2.0-0" "libgnutls30" "libhogweed6"
    "libibverbs1" "libidn2-0" "libjpeg62-turbo" "libkmod2" "libmount1" "libndctl6"
    "libnettle8" "libnl-3-200" "libnl-route-3-200" "libnuma1" "libp11-kit0" "libpixman-1-0"
    "libpmem1" "libpng16-16" "librdmacm1" "libsasl2-2" "libseccomp2" "libslirp0" "libssl3"
    "libtasn1-6" "libudev1" "libunistring2" "liburing2" "libuuid1" "libvdeplug2"
  ];
  meta = {
    description = "Emulators of whole machines, ARM's and RISC-V's, to boot images in";
    homepage = "https://www.qemu.org/";
    license = lib.licenses.gpl2Only;
    mainProgram = "qemu-system-riscv64";
  };
}
