//! Flakes on this machine: locked, evaluated, and compared with Nix where it is
//! installed. Forges and archive hosts are a server on the loopback interface.

mod fetching;
mod locking;
mod world;
