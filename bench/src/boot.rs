//! How long a machine takes from nothing to a node that commits, against a kernel that does
//! nothing but end, and against a kernel of Linux that comes to its first program.
//!
//! Times are those of whoever starts QEMU, from its start to the line on the serial port that
//! tells of it; so they include QEMU itself.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use types::Durability;

use crate::cluster::{EpochsEnd, Plan, Start, until};
use crate::report::{Better, Goal, Outcome, Report};
use crate::restart::{fill, shortage};
use crate::rounds::{machine, median};

const ROUNDS: usize = 9;
const PATIENCE: Duration = Duration::from_secs(60);
const COMMIT_GOAL_MS: f64 = 100.0;
const REBOOTS: usize = 9;
/// A program may have one part in so many of its machine's memory.
const MACHINES_SHARE: u32 = 2;
const REBOOT_GOAL_MS: f64 = 300.0;
const FLOOR: &str = "microvm: floor";
/// What the machine says, and what that is.
const MARKS: [(&str, &str); 4] = [
    ("kernel entered", "kernel entry"),
    ("drivers ready", "drivers ready"),
    ("a member of the cluster", "member"),
    ("the first transaction is committed", "first commit"),
];

/// The same of Linux.
const INIT_MARK: (&str, &str) = (
    "the first program runs",
    "Debian's kernel to its first program",
);

/// What a machine boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kernel<'a> {
    /// A node, which has been the only one of its cluster before.
    Node,
    /// Another one.
    Other(&'a Path),
    /// Linux, with this as its first program.
    Linux {
        /// An ELF file.
        init: &'a [u8],
    },
}

/// Whether machines can boot Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinuxKernel {
    /// There is a kernel.
    Given,
    /// There is none.
    Missing,
}

/// Kinds of machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineKind {
    /// The smallest.
    Microvm,
    /// A computer with firmware and a bus.
    Q35,
}

/// How machines are made: the command that does.
pub type MakeMachine<'a> = &'a dyn Fn(MachineKind, Kernel<'_>) -> Result<Command, String>;

/// Runs all of it.
///
/// # Errors
/// Why a machine could not be measured.
pub fn boot(make: MakeMachine<'_>, linux: LinuxKernel, scratch: &Path) -> Result<Report, String> {
    let mut report = Report {
        bench: "boot".to_owned(),
        machine: machine(),
        results: Vec::new(),
        goals: Vec::new(),
        notes: Vec::new(),
    };
    let floor = scratch.join("floor");
    std::fs::write(&floor, smallest_kernel()).map_err(|error| error.to_string())?;
    for (kind, name) in [(MachineKind::Microvm, "microvm"), (MachineKind::Q35, "q35")] {
        // The first one makes the disk ready.
        marks(make(kind, Kernel::Node)?, MARKS)?;
        let with_linux = kind == MachineKind::Q35 && linux == LinuxKernel::Given;
        let (mut floors, mut inits) = (Vec::new(), Vec::new());
        let mut found = MARKS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            floors.push(until_end(make(kind, Kernel::Other(&floor))?)?);
            for (times, ms) in found
                .iter_mut()
                .zip(marks(make(kind, Kernel::Node)?, MARKS)?)
            {
                times.push(ms);
            }
            if with_linux {
                let init = &first_program();
                let [ms] = marks(make(kind, Kernel::Linux { init })?, [INIT_MARK])?;
                inits.push(ms);
            }
        }
        let floor_ms = median(floors);
        report
            .results
            .push(Outcome::new(&format!("{name}: floor"), floor_ms, "ms"));
        let found = found.map(median);
        for ((_, what), ms) in MARKS.iter().zip(found) {
            let outcome = Outcome::new(&format!("{name}: {what}"), ms, "ms");
            report.results.push(outcome);
        }
        if with_linux {
            let name = format!("{name}: {}", INIT_MARK.1);
            report
                .results
                .push(Outcome::new(&name, median(inits), "ms"));
        }
        if kind == MachineKind::Microvm {
            let over = found[MARKS.len() - 1] - floor_ms;
            let goal = "microvm: first commit - floor, ms";
            report
                .goals
                .push(Goal::new(goal, over, COMMIT_GOAL_MS, Better::Lower));
        }
    }
    if linux == LinuxKernel::Missing {
        let note = "Linux left out: expected a directory with its kernel, --linux DIR";
        report.notes.push(note.to_owned());
    }
    Ok(report)
}

/// How long three machines take to the first commit, all of which are started at once from
/// their disks, with memories of these sizes.
///
/// # Errors
/// Why they could not be measured.
pub fn reboot(start: Start<'_>, sizes_mib: &[u32], report: &mut Report) -> Result<(), String> {
    let floor = report.results.iter().find(|outcome| outcome.name == FLOOR);
    let floor_ms = floor.expect("measured by `boot`").value;
    for &mib in sizes_mib {
        if let Some(shortage) = shortage(3 * mib) {
            report.notes.push(shortage);
            continue;
        }
        let mut cluster = start(Plan {
            nodes: 3,
            epoch_ms: 100,
            epochs_end: EpochsEnd::OnDemand,
            memory_mib: MACHINES_SHARE * mib + 256,
            durability: Durability::Disk,
        })?;
        let _ = fill(&mut *cluster, mib)?;
        let mut times = Vec::new();
        for _ in 0..REBOOTS {
            cluster.stop();
            let begin = Instant::now();
            cluster.restart()?;
            until(&mut *cluster, |status| status.start_us > 0)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        let ms = median(times);
        let name = format!("3 microvms, {mib} MiB: start to first commit");
        report.results.push(Outcome::new(&name, ms, "ms"));
        let name = format!("{name} - floor, ms");
        let goal = Goal::new(&name, ms - floor_ms, REBOOT_GOAL_MS, Better::Lower);
        report.goals.push(goal);
    }
    Ok(())
}

/// Milliseconds from the start to each of the marks; then the machine is switched off.
fn marks<const N: usize>(
    mut command: Command,
    marks: [(&str, &str); N],
) -> Result<[f64; N], String> {
    let begin = Instant::now();
    let mut machine = start(&mut command)?;
    let output = machine.0.stdout.take().expect("it was asked for");
    let (say, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens when all marks were seen.
            let _ = say.send((begin.elapsed(), line));
        }
    });
    let mut times = [None; N];
    let mut said = String::new();
    while times.iter().any(Option::is_none) {
        let left = PATIENCE.saturating_sub(begin.elapsed());
        let Ok((at, line)) = lines.recv_timeout(left) else {
            break;
        };
        for ((mark, _), time) in marks.iter().zip(&mut times) {
            if line.contains(mark) {
                time.get_or_insert(at.as_secs_f64() * 1e3);
            }
        }
        said = said + &line + "\n";
    }
    let missing = || format!("the machine did not get as far as expected; it said:\n{said}");
    let all: Option<Vec<f64>> = times.into_iter().collect();
    let all = all.ok_or_else(missing)?;
    Ok(all.try_into().expect("as many as there are marks"))
}

/// Milliseconds from the start of a machine to its end.
fn until_end(mut command: Command) -> Result<f64, String> {
    let begin = Instant::now();
    let mut machine = start(&mut command)?;
    machine.0.wait().map_err(|error| error.to_string())?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

fn start(command: &mut Command) -> Result<Machine, String> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|error| format!("start QEMU: {error}"))?;
    Ok(Machine(child))
}

/// A machine, switched off when this is dropped.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A kernel that ends the machine with its third instruction, as an ELF file for PVH loaders.
fn smallest_kernel() -> Vec<u8> {
    // mov dx, 0xf4; xor eax, eax; out dx, eax; jmp $
    elf(&[
        0x66, 0xba, 0xf4, 0x00, 0x31, 0xc0, 0xef, 0xeb, 0xfe, 0, 0, 0,
    ])
}

/// A program for Linux that says that it runs, and waits.
fn first_program() -> Vec<u8> {
    const CODE_BYTES: u8 = 34;
    let line = format!("\n{}\n", INIT_MARK.0);
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.extend([0x48, 0x8d, 0x35, CODE_BYTES - 17, 0, 0, 0]); // lea rsi, [rip + 17]
    code.extend([
        0xba,
        u8::try_from(line.len()).expect("a short line"),
        0,
        0,
        0,
    ]); // mov edx, …
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 34, 0, 0, 0, 0x0f, 0x05]); // mov eax, 34 (pause); syscall
    code.extend([0xeb, 0xf7, 0x90]); // jmp to the last mov; nop
    assert_eq!(code.len(), usize::from(CODE_BYTES), "the line begins there");
    code.extend(line.as_bytes());
    elf(&code)
}

/// An ELF file whose code runs where it is put, as a kernel or as a program.
fn elf(code: &[u8]) -> Vec<u8> {
    const AT: u32 = 0x20_0000;
    const CODE_AT: u32 = 0xd0;
    let entry = u64::from(AT + CODE_AT);
    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend(entry.to_le_bytes());
    file.extend(64_u64.to_le_bytes()); // program headers
    file.extend(0_u64.to_le_bytes()); // no sections
    file.extend(0_u32.to_le_bytes());
    for short in [64_u16, 56, 2, 64, 0, 0] {
        file.extend(short.to_le_bytes());
    }
    let header = |kind: u32, offset: u32, bytes: u32| {
        let mut header = Vec::new();
        header.extend(kind.to_le_bytes());
        header.extend(5_u32.to_le_bytes());
        for word in [offset, AT + offset, AT + offset, bytes, bytes, 4] {
            header.extend(u64::from(word).to_le_bytes());
        }
        header
    };
    let note_at = 64 + 2 * 56;
    let code_bytes = u32::try_from(code.len()).expect("a few bytes");
    file.extend(header(1, 0, CODE_AT + code_bytes));
    file.extend(header(4, note_at, 24));
    file.extend(4_u32.to_le_bytes());
    file.extend(8_u32.to_le_bytes());
    file.extend(18_u32.to_le_bytes());
    file.extend(b"Xen\0");
    file.extend(entry.to_le_bytes());
    file.resize(CODE_AT as usize, 0);
    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_program_says_that_it_runs() {
        let path = std::env::temp_dir().join(format!("plurix-init-{}", std::process::id()));
        std::fs::write(&path, first_program()).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        let found = marks(Command::new(&path), [INIT_MARK]);
        std::fs::remove_file(&path).unwrap();
        assert!(found.is_ok(), "{found:?}");
    }
}
