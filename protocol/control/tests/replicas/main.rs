//! Voters in a world of lossy links, slow disks and crashes: they agree, and one leads.
#[cfg(test)]
mod deaths;
#[cfg(test)]
mod early;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod world;
