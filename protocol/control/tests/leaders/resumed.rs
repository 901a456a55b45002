//! A cluster that is made from a snapshot of another goes on as after any restart.
use control::{Checkpoint, ControlState, EPOCHS_AHEAD_MAX, Legacy, Process, Record, VoterId};
use types::{Durability, Epoch, Interval, NodeId, Stamp, StoreId, ViewNumber};

use crate::world::{EPOCH, GRACE, OWN, WALL_MS, World, config_of};

const STABLE: Epoch = Epoch(5000);
/// Nodes of the cluster that has made the snapshot.
const LAST: NodeId = NodeId(40);

fn process(store: u64) -> Process {
    Process {
        store: StoreId(store),
        address: "127.0.0.1:0".into(),
        name: format!("node-{}", store - OWN + 1),
        voter: Some(VoterId(store + 100)),
    }
}

fn resumed(nodes: u64) -> ControlState {
    let legacy = Legacy {
        stable: STABLE,
        wall_ms: WALL_MS - 90_000,
        names: vec!["before".into()],
        last_node: LAST,
    };
    ControlState::resumed((OWN..OWN + nodes).map(process).collect(), &legacy)
}

#[test]
fn it_waits_for_all_disks_and_goes_on_after_the_snapshot() {
    let state = resumed(3);
    assert_eq!(state.durability(), Durability::Disk);
    assert!(state.is_replicated());
    assert_eq!(state.may_miss(), 1);
    let mut world = World::led(config_of(OWN), state);
    world.join(OWN);
    world.join(OWN + 2);
    assert_eq!(world.leader.view(), None);
    world.join(OWN + 1);
    let view = world.view();
    assert_eq!((view.number, view.stable), (ViewNumber(2), STABLE));
    assert!(view.first_epoch.0 > STABLE.0 + EPOCHS_AHEAD_MAX, "{view:?}");
    // Whoever is in any stamp of the snapshot is nobody of this cluster.
    assert!(view.nodes().all(|node| node > LAST), "{view:?}");
    for node in (1..=LAST.0).map(NodeId) {
        let interval = Interval::last_of(STABLE);
        assert!(!view.is_undone(Stamp { node, interval }));
    }
    world.pass(EPOCH, &[]);
    world.all_stored();
    assert!(world.leader.state().stable() > STABLE);
    let kept = world.leader.state().snapshots();
    assert_eq!(kept.named("before"), Some(STABLE));
}

#[test]
fn it_can_do_without_one_disk_of_three_but_not_of_one() {
    let mut world = World::led(config_of(OWN), resumed(3));
    world.join(OWN);
    world.join(OWN + 1);
    world.pass(GRACE, &[]);
    assert_eq!(world.stores(), [OWN, OWN + 1]);
    let mut world = World::led(config_of(OWN), resumed(2));
    world.join(OWN);
    world.join(OWN + 9);
    world.pass(GRACE, &[]);
    assert_eq!(world.stores(), [OWN, OWN + 9]);
    assert_eq!(resumed(1).may_miss(), 0);
}

#[test]
fn its_first_nodes_vote() {
    let checkpoint = Checkpoint::of(resumed(7));
    let first = (OWN + 100..OWN + 105).map(VoterId);
    assert_eq!(checkpoint.electorate.voters, first.collect());
    assert!(!checkpoint.is_blank());
    let record = Record::Checkpoint(Box::new(checkpoint.clone()));
    let read = Record::decode(&record.encode()).unwrap();
    assert_eq!(Checkpoint::replay([read]), Ok(checkpoint));
}
