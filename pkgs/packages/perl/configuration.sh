# Changes config.sh from Debian's Perl to this one: places, the compiler's name, and
# libraries.
version=5.36.0
assign() { sed -i "s|^$1=.*|$1='$2'|" config.sh; }
replace() { sed -i "s|'$1'|'$2'|" config.sh; }
architectureName=$(sed -n "s/^archname='\(.*\)'/\1/p" config.sh)
modules="$out/lib/perl5"
replace '/usr/share/perl/5[.0-9]*' "$modules/$version"
replace '/usr/lib/[^/]*/perl/5[.0-9]*' "$modules/$version/$architectureName"
replace '/usr/local/share/perl/5[.0-9]*' "$modules/site_perl/$version"
replace '/usr/local/lib/[^/]*/perl/5[.0-9]*' "$modules/site_perl/$version/$architectureName"
replace '/usr/share/man/\(man[13]\)' "$out/share/man/\\1"
replace '/usr/local/man/\(man[13]\)' "$out/share/man/\\1"
replace '/usr/bin/perl' "$out/bin/perl"
replace '#!/usr/bin/perl' "#!$out/bin/perl"
replace '/usr/bin/sensible-pager' more
for place in usr/local/bin usr/bin; do replace "/$place" "$out/bin"; done
for place in usr/local usr; do replace "/$place" "$out"; done
# There is no third place for modules, of a distribution.
for name in $(sed -n "s/^\(\(install\)\?vendor[a-z0-9]*\)=.*/\1/p" config.sh); do assign "$name" ""; done
for name in usevendorprefix d_vendorarch d_vendorbin d_vendorlib d_vendorscript; do assign "$name" undef; done

assign src .
for name in cc ld; do assign "$name" "$CC"; done
for name in cpp cpprun cppstdin; do assign "$name" "$CC -E"; done
for name in ar full_ar; do assign "$name" "$AR"; done
for name in nm ranlib; do assign "$name" :; done
assign optimize -O2
# How Debian compiles its own.
debian='-DDEBIAN|-DAPPLLIB_EXP="[^"]*"|-Wdate-time|-D_FORTIFY_SOURCE=2|-g|-O2|-f(file|debug)-prefix-map=[^ ]*|-fstack-protector-strong|-Wformat|-Werror=format-security|-I/usr/local/include'
sed -i -E "/^(cc|cpp)flags=/{:again; s#([' ])($debian)([' ])#\\1\\4#; t again}" config.sh
assign lddlflags -shared
assign ldflags ""

# The C library's are all the libraries that it needs.
for name in libs perllibs; do assign "$name" "-lm -lpthread -ldl"; done
for name in libswanted libsfiles libsfound libsdirs libspath libpth glibpth plibpth xlibpth loclibpth locincpth incpth timeincl libc; do
  assign "$name" ""
done
for name in d_crypt d_crypt_r i_crypt i_gdbm i_gdbm_ndbm i_gdbmndbm i_ndbm i_dbm i_db cryptlib; do assign "$name" undef; done
assign cryptlib ""
for module in $without; do
  sed -i -E "/^(dynamic_ext|extensions|known_extensions)=/s#([' ])$module([' ])#\1\2#" config.sh
done
# How Debian called the script.
sed -i '/^config_arg[0-9]/d' config.sh
assign config_args ""
assign config_argc 0
