# Strings.
{ lib }:

let
  inherit (builtins) stringLength substring concatStringsSep replaceStrings;
  lower = "abcdefghijklmnopqrstuvwxyz";
  upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
in
rec {
  inherit (builtins)
    concatStringsSep stringLength substring replaceStrings isString toJSON fromJSON
    unsafeDiscardStringContext hasContext match split toString;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: values: concatStrings (map f values);
  concatMapStringsSep = separator: f: values: concatStringsSep separator (map f values);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse = separator: values:
    if values == [ ] then [ ]
    else builtins.tail (lib.concatMap (value: [ separator value ]) values);
  optionalString = condition: string: if condition then string else "";

  hasPrefix = prefix: string: substring 0 (stringLength prefix) string == prefix;
  hasSuffix = suffix: string:
    let start = stringLength string - stringLength suffix;
    in start >= 0 && substring start (-1) string == suffix;
  hasInfix = infix: string:
    builtins.length (builtins.split (escapeRegex infix) "${string}") > 1;
  removePrefix = prefix: string:
    if hasPrefix prefix string then substring (stringLength prefix) (-1) string else string;
  removeSuffix = suffix: string:
    if hasSuffix suffix string
    then substring 0 (stringLength string - stringLength suffix) string
    else string;

  stringToCharacters = string:
    builtins.genList (i: substring i 1 string) (stringLength string);
  stringAsChars = f: string: concatStrings (map f (stringToCharacters string));
  toLower = replaceStrings (stringToCharacters upper) (stringToCharacters lower);
  toUpper = replaceStrings (stringToCharacters lower) (stringToCharacters upper);
  # Puts a backslash before each of the given characters.
  escape = characters: replaceStrings characters (map (c: "\\" + c) characters);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg = value:
    let string = toString value;
    in
    if builtins.match "[[:alnum:],._+:@%/-]+" string != null then string
    else "'${replaceStrings [ "'" ] [ "'\\''" ] string}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  splitString = separator: string:
    builtins.filter builtins.isString (builtins.split (escapeRegex separator) "${string}");
  fixedWidthString = width: filler: string:
    if stringLength string >= width then string
    else fixedWidthString width filler (filler + string);
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);
  toInt = string:
    let
      digits = builtins.match "[[:space:]]*(-?)0*([0-9]+)[[:space:]]*" string;
      value = builtins.fromJSON (builtins.elemAt digits 1);
    in
    if digits == null then throw "lib.toInt: '${string}' is not a decimal number"
    else if builtins.head digits == "-" then -value else value;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  trim = string:
    let found = builtins.match "[[:space:]]*(.*[^[:space:]])[[:space:]]*" string;
    in if found == null then "" else builtins.head found;

  makeSearchPath = directory: packages:
    concatMapStringsSep ":" (package: "${package}/${directory}")
      (builtins.filter (package: package != null) packages);
  makeSearchPathOutput = output: directory: packages:
    makeSearchPath directory (map (lib.getOutput output) packages);
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeBinPath = makeSearchPathOutput "bin" "bin";

  # "hello-2.10" and derivations: the name without, and with only, the version.
  getName = value: (parsed value).name;
  getVersion = value: value.version or (parsed value).version;
  parsed = value:
    builtins.parseDrvName (if builtins.isString value then value else value.pname or value.name);
  nameFromURL = url: separator:
    let file = lib.last (splitString "/" url);
    in builtins.head (splitString separator file);

  enableFeature = enable: feature: "--${if enable then "enable" else "disable"}-${feature}";
  enableFeatureAs = enable: feature: value:
    if enable then "${enableFeature true feature}=${value}" else enableFeature false feature;
  withFeature = with_: feature: "--${if with_ then "with" else "without"}-${feature}";
  withFeatureAs = with_: feature: value:
    if with_ then "${withFeature true feature}=${value}" else withFeature false feature;

  # A store name has no other characters than these, and no dot in front.
  sanitizeDerivationName = string:
    let
      clean = stringAsChars
        (c: if builtins.match "[[:alnum:]+._?=-]" c == null then "-" else c)
        (removePrefix "." "${builtins.unsafeDiscardStringContext string}");
    in if clean == "" then "unknown" else clean;
}
