//! Drives the disk of a machine: what it keeps back, and how much it is given at a time.
#![no_std]

keeper::drive!(adapter::part::Disk, device = "disk");
