# print: parse
rec {
  escaped = ''a'''b''$c''\nd'';
  quote = ''
    '${e}'${e} f $'g
  '';
  plain = ''h 'i' $j'';
  e = "";
}
