let f = mode: algo: hash: (derivation { name = "f"; system = "s"; builder = "b"; outputHashMode = mode; outputHashAlgo = algo; outputHash = hash; }).outPath; in [
  (f "flat" "sha256" "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  (f "recursive" "sha256" "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")
  (f "flat" "sha1" "a9993e364706816aba3e25717850c26c9cd0d89d")
  (f "flat" "md5" "900150983cd24fb0d6963f7d28e17f72")
  (f "recursive" "" "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
]
