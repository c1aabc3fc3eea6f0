# Makes the stdenv's store path: the set-up script, with what it begins with.
mkdir -p "$out"
{
  printf 'initialPath="%s"\n' "$initialPath"
  printf 'defaultNativeBuildInputs="%s"\n' "$defaultNativeBuildInputs"
  printf 'export SHELL="%s" CONFIG_SHELL="%s"\n' "$shell" "$shell"
  cat "$setup"
} > "$out/setup"
