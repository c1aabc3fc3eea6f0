# What the library's functions give. Evaluates to true, or fails at the line of
# the assertion that does not hold.
let
  lib = import ../lib;
  fails = value: !(builtins.tryEval (builtins.deepSeq value value)).success;
in

# fixed points
assert (lib.fix (self: { a = 1; b = self.a + 1; })).b == 2;
assert (lib.fix (lib.extends (final: prev: { a = prev.a + 10; }) (self: { a = 1; b = self.a; }))).b == 11;
assert
  let both = lib.composeExtensions (final: prev: { a = prev.a + 1; }) (final: prev: { a = prev.a * 2; });
  in (lib.fix (lib.extends both (self: { a = 1; }))).a == 4;
assert
  let set = (lib.makeExtensible (self: { a = 1; b = self.a; })).extend (final: prev: { a = 5; });
  in set.b == 5 && (set.extend (final: prev: { a = 6; })).b == 6;
assert lib.toExtension { a = 1; } { } { } == { a = 1; };
assert lib.toExtension (prev: { a = prev.a + 1; }) { } { a = 1; } == { a = 2; };
assert lib.toExtension (final: prev: { a = prev.a + final.a; }) { a = 5; } { a = 1; } == { a = 6; };

# attribute sets
assert lib.attrByPath [ "a" "b" ] 0 { a.b = 1; } == 1;
assert lib.attrByPath [ "a" "c" ] 0 { a.b = 1; } == 0;
assert lib.hasAttrByPath [ "a" "b" ] { a.b = null; } && !lib.hasAttrByPath [ "b" ] { };
assert lib.setAttrByPath [ "a" "b" ] 1 == { a.b = 1; };
assert fails (lib.getAttrFromPath [ "a" ] { });
assert lib.filterAttrs (name: value: value > 1) { a = 1; b = 2; } == { b = 2; };
assert lib.mapAttrs' (name: value: lib.nameValuePair (name + "x") (value + 1)) { a = 1; } == { ax = 2; };
assert lib.recursiveUpdate { a.b = 1; a.c = 2; d = 3; } { a.b = 4; d.e = 5; } == { a.b = 4; a.c = 2; d.e = 5; };
assert lib.matchAttrs { a.b = 1; } { a = { b = 1; c = 2; }; } && !lib.matchAttrs { a = 1; } { b = 1; };
assert lib.collect builtins.isInt { a = 1; b.c = 2; d = "x"; } == [ 1 2 ];
assert lib.cartesianProductOfSets { a = [ 1 2 ]; b = [ 3 ]; } == [ { a = 1; b = 3; } { a = 2; b = 3; } ];
assert lib.genAttrs [ "a" "b" ] (name: name + "!") == { a = "a!"; b = "b!"; };

# lists
assert lib.foldr (x: acc: [ x ] ++ acc) [ ] [ 1 2 3 ] == [ 1 2 3 ];
assert lib.foldl (acc: x: acc + x) "" [ "a" "b" ] == "ab";
assert lib.imap1 (i: x: "${toString i}${x}") [ "a" "b" ] == [ "1a" "2b" ];
assert lib.range 2 4 == [ 2 3 4 ] && lib.range 3 2 == [ ];
assert lib.flatten [ 1 [ 2 [ 3 ] ] [ ] ] == [ 1 2 3 ];
assert lib.findFirst (x: x > 1) 0 [ 1 2 3 ] == 2 && lib.findFirst (x: x > 9) 0 [ 1 ] == 0;
assert lib.take 2 [ 1 2 3 ] == [ 1 2 ] && lib.take 9 [ 1 ] == [ 1 ] && lib.drop 2 [ 1 2 3 ] == [ 3 ] && lib.drop 9 [ 1 ] == [ ];
assert lib.last [ 1 2 ] == 2 && lib.init [ 1 2 ] == [ 1 ] && fails (lib.last [ ]);
assert lib.reverseList [ 1 2 3 ] == [ 3 2 1 ];
assert lib.unique [ 1 2 1 3 2 ] == [ 1 2 3 ];
assert lib.subtractLists [ 1 ] [ 1 2 1 ] == [ 2 ] && lib.intersectLists [ 1 2 ] [ 2 3 ] == [ 2 ];
assert lib.compareLists lib.compare [ 1 2 ] [ 1 3 ] == -1 && lib.compareLists lib.compare [ ] [ ] == 0;

# strings
assert lib.hasPrefix "ab" "abc" && !lib.hasPrefix "b" "abc" && lib.hasSuffix "bc" "abc" && !lib.hasSuffix "abcd" "bcd";
assert lib.hasInfix "a.c" "xa.cx" && !lib.hasInfix "a.c" "abc";
assert lib.removePrefix "a" "ab" == "b" && lib.removeSuffix "b" "ab" == "a" && lib.removeSuffix "x" "ab" == "ab";
assert lib.splitString "." "1.2..3" == [ "1" "2" "" "3" ] && lib.splitString "-" "" == [ "" ];
assert lib.toUpper "aZ9" == "AZ9" && lib.toLower "AZ" == "az";
assert lib.escapeShellArg "it's" == "'it'\\''s'" && lib.escapeShellArg "a/b-1" == "a/b-1" && lib.escapeShellArg "" == "''";
assert lib.toInt "042" == 42 && lib.toInt " -7" == -7 && fails (lib.toInt "x") && fails (lib.toInt "1.5");
assert lib.fixedWidthNumber 4 42 == "0042";
assert lib.trim "  a b\n" == "a b" && lib.trim " " == "";
assert lib.getName "hello-2.10" == "hello" && lib.getVersion "hello-2.10" == "2.10";
assert lib.nameFromURL "https://a.b/c/zlib-1.2.tar.gz" ".tar" == "zlib-1.2";
assert lib.enableFeature true "nls" == "--enable-nls" && lib.withFeatureAs true "m4" "x" == "--with-m4=x" && lib.withFeature false "x" == "--without-x";
assert lib.sanitizeDerivationName "..a b~c" == ".a-b-c" || lib.sanitizeDerivationName "a b~c" == "a-b-c";
assert lib.makeBinPath [ "/a" "/b" ] == "/a/bin:/b/bin";
assert lib.intersperse "," [ "a" "b" ] == [ "a" "," "b" ];

# versions
assert lib.versionOlder "1.9" "1.10" && lib.versionAtLeast "2.36" "2.36";
assert lib.versions.majorMinor "12.2.0" == "12.2" && lib.versions.major "12.2.0" == "12";
assert lib.versions.upstream "1:1.2.13.dfsg-1" == "1.2.13";
assert lib.versions.upstream "2:3.8.2+dfsg-1+b1" == "3.8.2";
assert lib.versions.upstream "2.10-3" == "2.10" && lib.versions.upstream "1.0-rc1-2" == "1.0-rc1";
assert lib.versions.upstream "12.2.0-14+deb12u1" == "12.2.0";

# calling packages
assert (lib.callPackageWith { a = 1; b = 2; } ({ a, b ? 5, c ? 7 }: { sum = a + b + c; }) { }).sum == 10;
assert ((lib.callPackageWith { a = 1; } ({ a }: { inherit a; }) { }).override { a = 3; }).a == 3;
assert ((lib.callPackageWith { a = 1; } ({ a }: { inherit a; }) { }).override (old: { a = old.a + 1; })).a == 2;
assert fails (lib.callPackageWith { } ({ missing }: missing) { });
assert (lib.makeScope (extra: lib.callPackageWith extra) (self: { x = 1; y = self.callPackage ({ x }: { v = x; }) { }; })).y.v == 1;
assert lib.functionArgs ({ a, b ? 1 }: a) == { a = false; b = true; };
assert lib.pipe 1 [ (x: x + 1) (x: x * 3) ] == 6;
true
