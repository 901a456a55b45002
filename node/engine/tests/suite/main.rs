//! The engine seen from outside: real modules over real views, a host that keeps pages
//! in a map and can lose a conflict at any of its answers.
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod interrupts;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod wasi;
