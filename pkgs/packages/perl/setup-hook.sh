# For scripts and makefiles that call the program itself, whose places for modules
# are compiled in, instead of the wrapper.
for directory in lib/x86_64-linux-gnu/perl/5.36 lib/aarch64-linux-gnu/perl/5.36 share/perl/5.36 \
  lib/x86_64-linux-gnu/perl-base lib/aarch64-linux-gnu/perl-base; do
  addToSearchPath PERL5LIB "@tree@/$directory"
done
unset directory
