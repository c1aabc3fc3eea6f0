//! `.deb` files.
