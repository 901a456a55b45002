//! Who goes back when a node of a cluster of real processes is killed, and what that costs:
//! in two groups that share nothing with each other, and in a chain of readers.
//!
//! The program counts each node's steps in its memory, the nodes count the steps that they
//! commit: what a node has counted and the memory has not was undone. It also notes, in
//! memory, the longest time between two steps of each node.
use std::thread::sleep;
use std::time::{Duration, Instant};

use admin::{Request, Response, Status};

use crate::cluster::{Cluster, EpochsEnd, Plan, Start, run, status, until};
use crate::guests::{self, Sharing};
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};
use types::Durability;

const NODES: u32 = 8;
/// Where only the pauses of one node are looked at: as many as there are processors, once
/// one is killed.
const NODES_APART: u32 = 3;
/// In the pattern of sharing.
const POSITIONS: u32 = 8;
const PROGRAM: &str = "sharing";
const ROUNDS: u32 = 5;
/// Before the kill and after it.
const MEASURED: Duration = Duration::from_millis(1_000);
/// Nodes tell their figures more often.
const REPORTED: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(30);
const GAP_GOAL_MS: f64 = 10.0;
/// Clusters that are started for one kill at most.
const STARTS: u32 = 5;
/// Bytes that the program tells of each slot.
const SLOT_BYTES: usize = 96;

/// Phases of the measurement, as the program knows them.
const UNDISTURBED: u32 = 1;
const KILLED: u32 = 2;
const STOPPED: u32 = 3;

/// Runs all of it.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn reset(start: Start<'_>) -> Result<Report, String> {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    groups(start, &mut results, &mut goals)?;
    chain(start, &mut results, &mut goals)?;
    apart(start, &mut results, &mut goals)?;
    Ok(Report {
        bench: "reset".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    })
}

/// What was seen of a kill. A node is named by its position in the pattern of sharing.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kill {
    dead: u32,
    /// How many the leader says went back.
    told: u32,
    survivors: Vec<Survivor>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Survivor {
    position: u32,
    /// Steps that it committed and that were undone.
    undone: u64,
    gaps: Gaps,
}

/// Longest times between two steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Gaps {
    undisturbed: Duration,
    killed: Duration,
}

impl Kill {
    fn undone(&self) -> f64 {
        float(self.survivors.iter().map(|one| one.undone).sum())
    }

    /// Survivors that have lost work although they do not depend on the dead node.
    fn wronged(&self, depends: impl Fn(u32) -> bool) -> u64 {
        let has_lost = |one: &&Survivor| one.undone > 0 && !depends(one.position);
        self.survivors.iter().filter(has_lost).count() as u64
    }

    /// The longest gap that some of the survivors had, in milliseconds.
    fn gap(&self, of: fn(&Gaps) -> Duration, is_meant: impl Fn(&Survivor) -> bool) -> f64 {
        let meant = self.survivors.iter().filter(|one| is_meant(one));
        let gaps = meant.map(|one| of(&one.gaps));
        gaps.max().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// Two groups of four: only the dead node's may go back.
fn groups(
    start: Start<'_>,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let kills = kills(start, NODES, Sharing::Groups, 0..ROUNDS)?;
    let told = kills.iter().map(|kill| f64::from(kill.told));
    let name = "two groups: nodes that went back, of 7; 3 depend on the dead one";
    results.push(Outcome::new(name, median(told.collect()), "nodes"));
    let undone = kills.iter().map(Kill::undone).collect();
    let name = "two groups: transactions undone";
    results.push(Outcome::new(name, median(undone), "tx"));
    results.extend(longest_lost("two groups", &kills));
    let wronged = kills.iter().map(|kill| {
        let depends = |position| group(position) == group(kill.dead);
        kill.wronged(depends) + u64::from(kill.told.saturating_sub(3))
    });
    goals.push(Goal::new(
        "two groups: nodes of the other group that went back",
        float(wronged.sum()),
        0.0,
        Better::Lower,
    ));
    Ok(())
}

/// What a node lost at most, and how long it took until it went on from there; none if
/// nobody lost anything. What the memory says of this time: from the last step that was
/// kept to the first new one.
fn longest_lost(pattern: &str, kills: &[Kill]) -> Option<Outcome> {
    let has_lost = |kill: &&Kill| kill.undone() > 0.0;
    let lost = kills.iter().filter(has_lost);
    let lost = lost.map(|kill| kill.gap(|gaps| gaps.killed, |one| one.undone > 0));
    let lost: Vec<f64> = lost.collect();
    let name = format!("{pattern}: longest work undone of a node, with the recovery");
    (!lost.is_empty()).then(|| Outcome::new(&name, median(lost), "ms"))
}

/// A chain of readers: only those behind the dead node may go back.
fn chain(
    start: Start<'_>,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let kills = kills(start, NODES, Sharing::Chain, 0..POSITIONS)?;
    let mut wronged = 0;
    for kill in &kills {
        let behind = POSITIONS - 1 - kill.dead;
        let letter = char::from(b'A' + u8::try_from(kill.dead).expect("one of eight"));
        let name = format!("chain, {letter} killed: nodes that went back; {behind} depend on it");
        results.push(Outcome::new(&name, f64::from(kill.told), "nodes"));
        let name = format!("chain, {letter} killed: transactions undone");
        results.push(Outcome::new(&name, kill.undone(), "tx"));
        wronged += kill.wronged(|position| position > kill.dead)
            + u64::from(kill.told.saturating_sub(behind));
    }
    let told = kills.iter().map(|kill| u64::from(kill.told)).sum();
    let name = "chain: nodes that went back in all 8 kills; reset-everything: 56";
    results.push(Outcome::new(name, float(told), "nodes"));
    results.extend(longest_lost("chain", &kills));
    let name = "chain: nodes that went back and do not depend on the dead one";
    goals.push(Goal::new(name, float(wronged), 0.0, Better::Lower));
    Ok(())
}

/// The dead node and another one share, a third works on its own pages: does it notice?
fn apart(
    start: Start<'_>,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let dead = 4 + NODES_APART - 2;
    let kills = kills(start, NODES_APART, Sharing::Apart, [dead; ROUNDS as usize])?;
    let is_apart = |one: &Survivor| group(one.position) == 0;
    let gap = |of: fn(&Gaps) -> Duration| {
        let gaps = kills.iter().map(|kill| kill.gap(of, is_apart));
        median(gaps.collect())
    };
    let name = "a node on its own pages: longest time without a commit, nobody killed";
    results.push(Outcome::new(name, gap(|gaps| gaps.undisturbed), "ms"));
    let name = "a node on its own pages: longest time without a commit, another killed";
    let killed = gap(|gaps| gaps.killed);
    goals.push(Goal::new(name, killed, GAP_GOAL_MS, Better::Lower));
    Ok(())
}

fn group(position: u32) -> u32 {
    position / 4
}

/// Kills one node of a new cluster for each of these positions.
fn kills(
    start: Start<'_>,
    nodes: u32,
    sharing: Sharing,
    positions: impl IntoIterator<Item = u32>,
) -> Result<Vec<Kill>, String> {
    let positions = positions.into_iter();
    positions
        .map(|dead| kill(start, nodes, sharing, dead))
        .collect()
}

/// Kills the node of the last slot: no other node changes its slot then.
fn kill(start: Start<'_>, nodes: u32, sharing: Sharing, dead: u32) -> Result<Kill, String> {
    let last_slot = nodes - 1;
    let offset = (dead + POSITIONS - last_slot) % POSITIONS;
    let plan = Plan {
        nodes,
        epoch_ms: 100,
        epochs_end: EpochsEnd::OnDemand,
        memory_mib: 256,
        durability: Durability::Disk,
    };
    let (mut cluster, victim) = followed(start, plan)?;
    let wasm = guests::sharing(sharing, offset);
    run(&mut *cluster, PROGRAM, &wasm, &[])?;
    until(&mut *cluster, |status| {
        status.nodes.iter().all(|node| node.steps > 1000)
    })?;
    turn(&mut *cluster, UNDISTURBED)?;
    sleep(MEASURED);
    turn(&mut *cluster, KILLED)?;
    sleep(MEASURED / 4);
    cluster.kill(victim);
    let recovered = |status: &Status| status.last_failure.as_ref()?.recovered_us;
    let after = until(&mut *cluster, |status| recovered(status).is_some())?;
    sleep(MEASURED);
    turn(&mut *cluster, STOPPED)?;
    let last = until_still(&mut *cluster)?;
    let figures = figures(&mut *cluster)?;
    let told = after.last_failure.map_or(0, |failure| failure.nodes_reset);
    let survivors = survivors(&last, &figures, offset)?;
    Ok(Kill {
        dead,
        told,
        survivors,
    })
}

/// A cluster whose last node does not lead, and the number of that node's process. Which of
/// them leads is up to chance, and mostly the first.
fn followed(start: Start<'_>, plan: Plan) -> Result<(Box<dyn Cluster>, u32), String> {
    for _ in 0..STARTS {
        let mut cluster = start(plan)?;
        let status = status(&mut *cluster)?;
        if let Some(last) = status.nodes.last()
            && last.node != status.leader
        {
            let number = number_of(&last.name)?;
            return Ok((cluster, number));
        }
    }
    Err("expected that the last node does not lead".to_owned())
}

/// The number of the process with this name.
fn number_of(name: &str) -> Result<u32, String> {
    let number = name.strip_prefix("node-");
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("expected the name of a node, found {name}"))
}

/// Begins a phase of the program; returns when that is stable.
fn turn(cluster: &mut dyn Cluster, phase: u32) -> Result<(), String> {
    let arguments = vec![phase.to_string()];
    call(cluster, "turn", arguments).map(drop)
}

fn figures(cluster: &mut dyn Cluster) -> Result<Vec<u8>, String> {
    call(cluster, "figures", Vec::new())
}

fn call(
    cluster: &mut dyn Cluster,
    function: &str,
    arguments: Vec<String>,
) -> Result<Vec<u8>, String> {
    let request = Request::Call {
        program: PROGRAM.to_owned(),
        function: function.to_owned(),
        arguments,
        inputs: Vec::new(),
        is_query: false,
    };
    match cluster.ask(&request)? {
        Response::Returned { reply, .. } => Ok(reply),
        other => Err(format!("expected an answer of {function}, found {other:?}")),
    }
}

/// Waits until no node runs steps any more.
fn until_still(cluster: &mut dyn Cluster) -> Result<Status, String> {
    let begin = Instant::now();
    let mut last = status(cluster)?;
    while begin.elapsed() < PATIENCE {
        sleep(REPORTED);
        let next = status(cluster)?;
        let steps =
            |status: &Status| -> Vec<u64> { status.nodes.iter().map(|node| node.steps).collect() };
        if steps(&next) == steps(&last) {
            return Ok(next);
        }
        last = next;
    }
    Err("the program did not stop in time".to_owned())
}

/// What became of each node, by what it has counted and what the memory has.
fn survivors(status: &Status, figures: &[u8], offset: u32) -> Result<Vec<Survivor>, String> {
    let slots = figures.chunks_exact(SLOT_BYTES);
    let nodes = status.nodes.iter().zip(slots).zip(0..);
    let survivors = nodes.map(|((node, words), slot)| {
        let word = |at: usize| {
            let bytes = words[at..at + 8]
                .try_into()
                .expect("eight bytes were taken");
            u64::from_le_bytes(bytes)
        };
        let gap = |phase: u32| Duration::from_nanos(word(64 + 8 * phase as usize));
        let counted = word(0);
        let undone = node.steps.checked_sub(counted).ok_or_else(|| {
            let name = &node.name;
            format!("{name} ran {} steps, its memory has {counted}", node.steps)
        })?;
        Ok(Survivor {
            position: (slot + offset) % POSITIONS,
            undone,
            gaps: Gaps {
                undisturbed: gap(UNDISTURBED),
                killed: gap(KILLED),
            },
        })
    });
    survivors.collect()
}

#[expect(clippy::cast_precision_loss, reason = "transactions of a few seconds")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::NodeInfo;

    fn node(name: &str, steps: u64) -> NodeInfo {
        NodeInfo {
            node: 1,
            name: name.to_owned(),
            address: String::new(),
            store: 1,
            transactions: steps,
            aborts: 0,
            steps,
            pages_fetched: 0,
            bytes_stored: 0,
            bytes_cleaned: 0,
            bytes_on_disk: 0,
            bytes_live: 0,
            frames_stored: 0,
            pause_us_max: 0,
            intruders: 0,
            is_leaving: false,
            messages_ignored: 0,
            versions_damaged: 0,
            versions_mended: 0,
            versions_lost: 0,
        }
    }

    fn words(of: &[(usize, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; SLOT_BYTES];
        for (at, word) in of {
            bytes[*at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn what_only_the_node_has_counted_was_undone() {
        let status = Status {
            nodes: vec![node("node-1", 100), node("node-3", 70)],
            ..Status::default()
        };
        let figures = [words(&[(0, 100), (72, 3_000_000)]), words(&[(0, 50)])].concat();
        let survivors = survivors(&status, &figures, 7).unwrap();
        let found: Vec<_> = survivors
            .iter()
            .map(|one| (one.position, one.undone))
            .collect();
        assert_eq!(found, [(7, 0), (0, 20)]);
        assert_eq!(survivors[0].gaps.undisturbed, Duration::from_millis(3));
        let kill = Kill {
            dead: 6,
            told: 1,
            survivors,
        };
        assert_eq!(kill.wronged(|position| position > 6), 1);
        assert_eq!(kill.wronged(|position| position < 6), 0);
    }

    #[test]
    fn memory_cannot_have_more_steps_than_were_run() {
        let status = Status {
            nodes: vec![node("node-1", 100)],
            ..Status::default()
        };
        assert!(survivors(&status, &words(&[(0, 101)]), 0).is_err());
    }

    #[test]
    fn names_have_numbers() {
        assert_eq!(number_of("node-12"), Ok(12));
        assert!(number_of("12").is_err());
    }
}
