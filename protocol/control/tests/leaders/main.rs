//! The leader in a cluster of scripts: each test says what happens and what is decided.
#[cfg(test)]
mod drain;
#[cfg(test)]
mod gather;
#[cfg(test)]
mod held;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod on_demand;
#[cfg(test)]
mod resumed;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod take_over;
#[cfg(test)]
mod world;
