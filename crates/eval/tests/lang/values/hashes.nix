with builtins; {
  strings = map (a: hashString a "abc") [ "md5" "sha1" "sha256" "sha512" ];
  file = hashFile "sha256" ../data/hello.txt;
}
