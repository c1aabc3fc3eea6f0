with builtins; map (a: hashString a "saltire") [ "md5" "sha1" "sha256" "sha512" ]
