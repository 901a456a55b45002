//! What tools say to nodes and nodes to tools.
use std::fmt::Debug;

use admin::{Request, Response, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Target, seeds};

pub(crate) const TARGET: Target = Target {
    name: "admin",
    seeds: bodies,
    check,
};

fn check(body: &[u8]) {
    survives::<Request>(body);
    survives::<Response>(body);
}

/// What can be decoded can be said.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &[u8]) {
    match decode::<T>(body) {
        Ok(value) => assert_eq!(decode(&encode(&value)), Ok(value)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn bodies() -> Vec<Vec<u8>> {
    let before = [admin::VERSION];
    let requests = seeds::of_each_kind(&before, |body| decode::<Request>(body).is_ok());
    let responses = seeds::of_each_kind(&before, |body| decode::<Response>(body).is_ok());
    [requests, responses].concat()
}
