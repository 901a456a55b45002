//! A voter's log, on a disk that has suffered: it gives records from which a voter goes on,
//! or is refused.
use control::{
    Checkpoint, Command, Process, Record, Replica, ReplicaConfig, ReplicaOutput, VoterId,
};
use platform::{ClusterId, DiskError};
use store::{ControlLog, Identity, MemoryDisk, OpenError, Tail};
use types::{Duration, Epoch, Instant, Prng, StoreId};

use crate::{Target, image};

pub(crate) const TARGET: Target = Target {
    name: "control_log",
    seeds: disks,
    check,
};

const US: Identity = Identity {
    cluster: ClusterId(7),
    store: StoreId(0xD15C),
};
const START: Instant = Instant::from_nanos(1_000_000_000);
const LATER: Instant = Instant::from_nanos(60_000_000_000);

fn check(bytes: &[u8]) {
    let mut image = image::parse(bytes);
    use_log(image::disk(&image));
    image::mend(&mut image);
    use_log(image::disk(&image));
}

fn use_log(disk: MemoryDisk) {
    let (mut log, records) = match ControlLog::open(disk, US) {
        Ok(opened) => opened,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let decoded: Result<Vec<Record>, _> =
        records.iter().map(|bytes| Record::decode(bytes)).collect();
    if let Ok(checkpoint) = decoded.and_then(Checkpoint::replay) {
        let mut replica = Replica::new(START, config(), checkpoint);
        replica.tick(LATER);
    }
    log.append(b"more").expect("the disk is well");
    while log.poll().expect("the disk is well") == 0 {}
    let again = match open(log.into_disk()) {
        Ok((_, again)) => again,
        // It was the last number that is left.
        Err(OpenError::NumberTooHigh { .. }) => return,
        Err(error) => panic!("it was open before: {error}"),
    };
    assert_eq!(again.split_last(), Some((&b"more".to_vec(), &records[..])));
}

fn open(disk: MemoryDisk) -> Result<(ControlLog<MemoryDisk>, Vec<Vec<u8>>), OpenError> {
    ControlLog::open(disk, US)
}

fn config() -> ReplicaConfig {
    ReplicaConfig {
        me: VoterId(US.store.0),
        promise: Duration::from_millis(100),
        election_timeout: Duration::from_millis(500),
        seed: 1,
    }
}

/// Disks of a voter that has founded a cluster and decides alone.
fn disks() -> Vec<Vec<u8>> {
    let (mut log, _) = open(MemoryDisk::new()).expect("the disk is empty");
    let mut replica = Replica::new(START, config(), Checkpoint::default());
    replica.found(START);
    let mut disks = Vec::new();
    for step in 1..=8 {
        decide(&mut replica, step);
        while let Some(output) = replica.poll_output() {
            if let ReplicaOutput::Persist(record) = output {
                keep(&mut log, &record).expect("the disk is well");
                replica.persisted(1);
            }
        }
        let disk = log.disk_mut();
        disks.push(disk.crash(Tail::Torn(&mut Prng::new(step))));
    }
    disks.push(log.into_disk());
    disks.into_iter().map(image::describe).collect()
}

/// A cluster of one begins, epochs become stable, and now and then there is a checkpoint.
fn decide(replica: &mut Replica, step: u64) {
    let join = |store| Process {
        store: StoreId(store),
        address: "127.0.0.1:1".into(),
        name: "one".into(),
        voter: Some(VoterId(US.store.0)),
    };
    let command = match step {
        1 => Command::ChangeMembers {
            leave: vec![],
            join: vec![join(1)],
            leaving: vec![],
            leader: StoreId(1),
            cuts: vec![],
        },
        _ => Command::Stable {
            epoch: Epoch(step),
            wall_ms: 1_000 * step,
        },
    };
    assert!(replica.propose(START, command), "it leads");
    if step.is_multiple_of(3) {
        replica.checkpoint();
    }
}

fn keep(log: &mut ControlLog<MemoryDisk>, record: &Record) -> Result<(), DiskError> {
    match record {
        Record::Checkpoint(_) => log.checkpoint(&record.encode())?,
        Record::Ballot(_) | Record::Entries(_) => log.append(&record.encode())?,
    }
    while log.poll()? == 0 {}
    Ok(())
}
