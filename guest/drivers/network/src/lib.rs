//! Drives the network of a machine: addresses that go where the leader goes, and who may reach
//! programs there.
#![no_std]

keeper::drive!(adapter::part::Network, device = "network");
