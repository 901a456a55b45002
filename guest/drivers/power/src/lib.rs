//! Drives the switch of a machine: what was ordered is done once, however often anything fails.
#![no_std]

keeper::drive!(adapter::part::Power, device = "power");
