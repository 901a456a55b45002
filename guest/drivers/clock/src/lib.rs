//! Drives the clock of a machine that goes on when that is off: one that takes its place is not
//! behind what it has said.
#![no_std]

keeper::drive!(adapter::part::Clock, device = "clock");
