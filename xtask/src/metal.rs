//! Tests of the machine below a node, on machines that QEMU makes; and what is checked of the
//! workspace that is built for it.
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::machines::QEMU;
use crate::run;

/// What makes disks that firmware boots, and the Debian packages.
const ISO_PROGRAMS: [run::Program; 6] = [
    ("grub-mkrescue", "grub-common"),
    ("/usr/lib/grub/i386-pc/multiboot2.mod", "grub-pc-bin"),
    (
        "/usr/lib/grub/x86_64-efi/multiboot2.mod",
        "grub-efi-amd64-bin",
    ),
    (UEFI, "ovmf"),
    ("xorriso", "xorriso"),
    ("mformat", "mtools"),
];
/// The test that is run by firmware, which tells nothing on a command line.
const ISO_WORDS: &str = "only=time_does_not_go_back";
/// UEFI for QEMU's machines.
const UEFI: &str = "/usr/share/OVMF/OVMF_CODE.fd";
/// Machines with firmware that boots disks; `None`: a BIOS.
const FIRMWARE: [(&str, Option<&str>); 3] = [("pc", None), ("q35", None), ("q35", Some(UEFI))];
/// A workspace of its own, for another machine.
pub(crate) const MANIFEST: &str = "metal/Cargo.toml";
const TESTS: &str = "plurix-tests";
/// Before each line that says how a test has gone.
const MARK: &str = "plurix-tests: ";
/// The status of QEMU after a machine whose tests have all passed: twice its code, and one.
const PASSED: i32 = 1;
/// Time that a machine may take, on a computer that has much else to do.
const PATIENCE: Duration = Duration::from_secs(300);
const DISK_BYTES: u64 = 64 << 20;
/// Longer than any frame.
const FRAME_BYTES: usize = 4096;

/// The machines: how QEMU calls them, and what it calls their devices.
const KINDS: [(&str, &str); 2] = [("microvm,acpi=off", "device"), ("q35", "pci")];

/// Runs the tests on all kinds of machines, or says why not.
pub(crate) fn test() -> Result<()> {
    run::with("tests of bare metal", &QEMU, test_machines)
}

fn test_machines() -> Result<()> {
    let folder = run::root().join("target/metal");
    fs::create_dir_all(&folder).context("make the folder for test machines")?;
    let guest = compile_guest(&folder)?;
    let image = build(&folder)?;
    for (kind, bus) in KINDS {
        let machine = Machine {
            kind,
            bus,
            image: &image,
            guest: &guest,
            disk: folder.join(format!("{bus}.img")),
        };
        machine
            .test()
            .with_context(|| format!("on the machine {kind}"))?;
    }
    run::with("starts by firmware", &ISO_PROGRAMS, || {
        test_iso(&image, &folder.join("tests.iso"))
    })
}

/// Whether firmware starts the tests, and they are told what is on the disk.
fn test_iso(image: &Path, iso: &Path) -> Result<()> {
    imager::iso(image, ISO_WORDS, iso).context("make a disk for firmware")?;
    for (kind, firmware) in FIRMWARE {
        let mut command = qemu(kind);
        if let Some(file) = firmware {
            let drive = format!("if=pflash,format=raw,readonly=on,file={file}");
            command.args(["-drive", &drive]);
        }
        let name = firmware.map_or("a BIOS", |_| "UEFI");
        command.args(["-vga", "std", "-cdrom"]).arg(iso);
        let ended = watch(command)?;
        ensure!(
            ended.status == Some(PASSED) && ended.said.contains("1 passed"),
            "started by {name} of {kind}: {}",
            ended.story()
        );
        run::say(&format!("{kind}: ok {name} starts it"));
    }
    Ok(())
}

/// Formatting and lints.
pub(crate) fn check() -> Result<()> {
    run::cargo(&["fmt", "--all", "--check", "--manifest-path", MANIFEST])?;
    let lints = [
        "clippy",
        "--release",
        "--manifest-path",
        MANIFEST,
        "--",
        "-D",
        "warnings",
    ];
    let mut cargo = Command::new(env!("CARGO"));
    run::command(cargo.args(lints).env("RUSTFLAGS", imager::RUSTFLAGS))
}

/// Machine code of the guest that the tests run: there is no compiler on the machine.
fn compile_guest(folder: &Path) -> Result<PathBuf> {
    let build = ["build", "--quiet", "--release", "--example", "artefact"];
    run::cargo(&[&build[..], &run::TOGETHER].concat())?;
    let guest = folder.join("guest.code");
    let program = run::root().join("target/release/examples/artefact");
    run::command(
        Command::new(program)
            .arg("metal/tests/guest.wat")
            .arg(&guest),
    )?;
    Ok(guest)
}

/// The tests as an image with names of functions.
fn build(folder: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    let build = [
        "build",
        "--release",
        "--bin",
        TESTS,
        "--manifest-path",
        MANIFEST,
    ];
    run::command(cargo.args(build).env("RUSTFLAGS", imager::RUSTFLAGS))?;
    let built = run::root().join("metal/target/release").join(TESTS);
    let linked = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    let image = folder.join(TESTS);
    let finished = imager::finish(linked).context("put names into the image")?;
    fs::write(&image, finished).context("write the image")?;
    Ok(image)
}

/// A machine to run tests on.
struct Machine<'a> {
    kind: &'a str,
    bus: &'a str,
    image: &'a Path,
    guest: &'a Path,
    disk: PathBuf,
}

/// A test that has a machine of its own.
struct Alone {
    /// How QEMU ends.
    status: i32,
    name: String,
    /// What the machine says before.
    says: String,
}

/// How a machine has ended.
struct Ended {
    status: Option<i32>,
    said: String,
}

impl Machine<'_> {
    fn test(&self) -> Result<()> {
        let disk = File::create(&self.disk).and_then(|disk| disk.set_len(DISK_BYTES));
        disk.context("make a disk")?;
        let ended = self.run("")?;
        ensure!(ended.status == Some(PASSED), "{}", ended.story());
        // The machine puts the time before each line.
        let lines = ended.said.lines().filter_map(|line| line.split_once(MARK));
        let mut lines = lines.map(|(_, line)| line.trim());
        let alone: Vec<Alone> = lines.clone().filter_map(Alone::read).collect();
        let last = lines.next_back().unwrap_or_default();
        run::say(&format!("{}: {last}", self.kind));
        ensure!(!alone.is_empty(), "no test is listed that is run alone");
        for test in alone {
            let ended = self.run(&test.name.replace(' ', "_"))?;
            ensure!(
                ended.status == Some(test.status) && ended.said.contains(&test.says),
                "{}: expected status {} after `{}`, found\n{}",
                test.name,
                test.status,
                test.says,
                ended.story()
            );
            run::say(&format!("{}: ok {}", self.kind, test.name));
        }
        Ok(())
    }

    /// Runs a machine with one test, or with all that need none of their own.
    fn run(&self, only: &str) -> Result<Ended> {
        let echo = Echo::start(self.disk.parent().expect("it lies in a folder"))?;
        let words = if only.is_empty() {
            String::new()
        } else {
            format!("only={only}")
        };
        let bus = self.bus;
        let drive = format!("if=none,id=disk,format=raw,file={}", self.disk.display());
        let mut command = qemu(self.kind);
        command
            .args([
                "-drive",
                &drive,
                "-device",
                &format!("virtio-blk-{bus},drive=disk"),
            ])
            .args(["-netdev", &echo.netdev()])
            .args(["-device", &format!("virtio-net-{bus},netdev=net")])
            .args(["-device", &format!("virtio-rng-{bus}")])
            .arg("-kernel")
            .arg(self.image)
            .arg("-initrd")
            .arg(self.guest)
            .args(["-append", &words]);
        watch(command)
    }
}

/// A machine without devices, but for a serial port and one for its end.
fn qemu(kind: &str) -> Command {
    let mut command = Command::new(QEMU[0].0);
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-serial", "stdio", "-no-reboot"])
        .args(["-M", kind, "-accel", "tcg", "-cpu", "max"])
        .args(["-m", "128", "-smp", "3"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
    command
}

/// Runs the machine to its end, or for as long as it may take.
fn watch(mut command: Command) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("start QEMU")?;
    let mut serial = child.stdout.take().expect("it was asked for");
    let (ended, end) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        // What was said until then is said.
        let _ = serial.read_to_end(&mut said);
        // The end of its words is the end of the machine.
        let _ = ended.send(());
        String::from_utf8_lossy(&said).into_owned()
    });
    let has_ended = end.recv_timeout(PATIENCE).is_ok();
    if !has_ended {
        child.kill().context("end QEMU")?;
    }
    let status = child.wait().context("wait for QEMU")?;
    let said = reader.join().expect("it only reads");
    let status = status.code().filter(|_| has_ended);
    Ok(Ended { status, said })
}

impl Ended {
    fn story(&self) -> String {
        match self.status {
            Some(status) => format!("QEMU ended with {status}, after\n{}", self.said),
            None => format!("no end within {PATIENCE:?}, after\n{}", self.said),
        }
    }
}

impl Alone {
    /// `alone STATUS NAME | WHAT IT SAYS`.
    fn read(line: &str) -> Option<Self> {
        let (status, rest) = line.strip_prefix("alone ")?.split_once(' ')?;
        let (name, says) = rest.split_once(" |")?;
        Some(Self {
            status: status.parse().ok()?,
            name: name.to_owned(),
            says: says.trim().to_owned(),
        })
    }
}

/// The other end of a machine's network: sends every frame back.
struct Echo {
    here: PathBuf,
    there: PathBuf,
}

impl Echo {
    fn start(folder: &Path) -> Result<Self> {
        let [here, there] =
            ["echo", "machine"].map(|name| folder.join(name).with_extension("socket"));
        for old in [&here, &there] {
            // There may be none.
            let _ = fs::remove_file(old);
        }
        let socket = UnixDatagram::bind(&here).context("bind a socket for a machine")?;
        let peer = there.clone();
        thread::spawn(move || {
            let mut frame = [0; FRAME_BYTES];
            // As long as this program runs: its machines are few.
            while let Ok(bytes) = socket.recv(&mut frame) {
                // Frames may be lost.
                let _ = socket.send_to(&frame[..bytes], &peer);
            }
        });
        Ok(Self { here, there })
    }

    fn netdev(&self) -> String {
        let place =
            |side: &str, path: &Path| format!("{side}.type=unix,{side}.path={}", path.display());
        let (local, remote) = (place("local", &self.there), place("remote", &self.here));
        format!("dgram,id=net,{local},{remote}")
    }
}
