//! Scenarios: a few nodes in memory, each message delivered when the test says so.
//! Titles state the property; the first lines tell the story of the fault it excludes.
#[cfg(test)]
mod ageing;
#[cfg(test)]
mod ahead;
#[cfg(test)]
mod calm;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod conflicts;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod epochs;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod lost_links;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod opacity;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod views;
