//! Tests of the services through what they offer: models, counts of pages, programs.
mod blobs;
mod channels;
mod counts;
mod devices;
mod files;
mod living;
mod memory;
mod program;
mod queues;
mod revival;
mod services;
mod tables;
