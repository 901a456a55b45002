//! The engine seen from outside: real modules over real views, a host that keeps pages
//! in a map and can lose a conflict at any of its answers.
mod bounds;
mod calls;
mod support;
mod transactions;
mod wasi;
