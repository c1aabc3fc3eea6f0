# Licences, by their SPDX identifiers.
{ lib }:

let
  licence = spdxId: fullName: {
    inherit spdxId fullName;
    shortName = spdxId;
    free = true;
    url = "https://spdx.org/licenses/${spdxId}.html";
  };
in
builtins.mapAttrs (name: l: l // { shortName = name; }) {
  asl20 = licence "Apache-2.0" "Apache License 2.0";
  bsd2 = licence "BSD-2-Clause" "BSD 2-clause License";
  bsd3 = licence "BSD-3-Clause" "BSD 3-clause License";
  bzip2 = licence "bzip2-1.0.6" "bzip2 and libbzip2 License";
  curl = licence "curl" "curl License";
  gpl1Plus = licence "GPL-1.0-or-later" "GNU General Public License v1 or later";
  gpl2Only = licence "GPL-2.0-only" "GNU General Public License v2 only";
  gpl2Plus = licence "GPL-2.0-or-later" "GNU General Public License v2 or later";
  gpl3Only = licence "GPL-3.0-only" "GNU General Public License v3 only";
  gpl3Plus = licence "GPL-3.0-or-later" "GNU General Public License v3 or later";
  lgpl2Plus = licence "LGPL-2.0-or-later" "GNU Library General Public License v2 or later";
  lgpl21Plus = licence "LGPL-2.1-or-later" "GNU Lesser General Public License v2.1 or later";
  lgpl3Plus = licence "LGPL-3.0-or-later" "GNU Lesser General Public License v3 or later";
  mit = licence "MIT" "MIT License";
  openssl = licence "OpenSSL" "OpenSSL License";
  psfl = licence "PSF-2.0" "Python Software Foundation License version 2";
  publicDomain = licence "LicenseRef-Public-Domain" "Public Domain";
  isc = licence "ISC" "ISC License";
  ncurses = licence "X11-distribute-modifications-variant" "MIT with advertising restriction";
  tcltk = licence "TCL" "Tcl/Tk License";
  zlib = licence "Zlib" "zlib License";
}
