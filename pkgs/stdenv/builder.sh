# The builder of packages that have none of their own.
source "$stdenv/setup"
genericBuild
