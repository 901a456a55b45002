//! A machine that runs a node on Linux, to be compared with the image in the same machine:
//! Debian's kernel, and a first file system with the node in it and nothing else.
//!
//! A node there listens at addresses of its loopback network, as any node on this machine does,
//! so that it says of itself where this machine reaches it. The guest's network is set up for
//! that: packets for its own loopback addresses may come from outside, and all others of that
//! network are this machine's.
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::{Archive, Rights};
use super::qemu::{GATEWAY, OWN};
use crate::commands::node::NodeArgs;
use crate::error::Error;

/// The kernel's command line. What guards against flaws of real processors costs much where
/// there is none, and the clock of the processor is as good as the image takes it to be.
pub(super) const APPEND: &str = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable";
/// Drivers, each after those that it needs.
const MODULES: [&str; 9] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio-rng",
];
/// Where the node is in the guest, its token and its data.
const PROGRAM: &str = "/plurix";
const TOKEN: &str = "/token";
const DATA: &str = "/data";
const MISSING_HINT: &str = "on Debian, in an empty directory: apt-get download busybox-static \
     $(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p'); \
     for p in *.deb; do dpkg-deb -x $p .; done; then give the directory with --linux";

/// Debian's kernel and what belongs to it, on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Linux {
    /// The kernel.
    pub(super) kernel: PathBuf,
    /// Its drivers, in the order in which they are loaded.
    modules: Vec<PathBuf>,
    /// A shell.
    busybox: PathBuf,
}

impl Linux {
    /// Of a directory into which the packages were unpacked.
    ///
    /// # Errors
    /// If something is missing.
    pub(crate) fn find(directory: Option<&Path>) -> Result<Self, Error> {
        let missing = |message: String| Error::user(message).hint(MISSING_HINT);
        let directory = directory.ok_or_else(|| {
            missing("expected a directory with a kernel of Linux, found none".into())
        })?;
        let absent = |what: &str| {
            let directory = directory.display();
            missing(format!("expected {what} in {directory}, found none"))
        };
        let first = |path: PathBuf, begin: &str| {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let mut found: Vec<PathBuf> = entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(begin))
                .map(|entry| entry.path())
                .collect();
            found.sort();
            found.pop()
        };
        let kernel = first(directory.join("boot"), "vmlinuz-");
        let kernel = kernel.ok_or_else(|| absent("boot/vmlinuz-*"))?;
        let drivers = first(directory.join("lib/modules"), "");
        let drivers = drivers.ok_or_else(|| absent("lib/modules"))?;
        let modules = MODULES
            .into_iter()
            .filter_map(|name| module(&drivers, name));
        let busybox = directory.join("bin/busybox");
        if !busybox.is_file() {
            return Err(absent("bin/busybox"));
        }
        Ok(Self {
            kernel,
            modules: modules.collect(),
            busybox,
        })
    }

    /// The first file system of a machine that becomes this node, whose addresses this machine
    /// passes on. Whoever reads it knows the cluster's token.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn node(&self, args: &NodeArgs) -> Result<Vec<u8>, Error> {
        let mut archive = Archive::default();
        for path in ["proc", "dev", "tmp", "data"] {
            archive.directory(path);
        }
        archive.file("bin/busybox", Rights::Run, &read(&self.busybox)?);
        archive.symlink("bin/sh", "busybox");
        for (index, path) in self.modules.iter().enumerate() {
            archive.file(&module_file(index), Rights::Read, &read(path)?);
        }
        for path in libraries(&own_program()?)? {
            let name = path.display().to_string();
            archive.file(name.trim_start_matches('/'), Rights::Run, &read(&path)?);
        }
        archive.file(&PROGRAM[1..], Rights::Run, &read(&own_program()?)?);
        if let Some(token) = &args.token {
            archive.file(&TOKEN[1..], Rights::Secret, &read(token)?);
        }
        let script = script(self.modules.len(), args);
        archive.file("init", Rights::Run, script.as_bytes());
        Ok(archive.finish())
    }
}

/// The first file system of a machine that runs this program and no other.
pub(crate) fn lone(init: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.file("init", Rights::Run, init);
    archive.finish()
}

/// What the first program of the guest does.
fn script(modules: usize, args: &NodeArgs) -> String {
    let mut text = String::from(
        "#!/bin/sh\nb() { /bin/busybox \"$@\"; }\nb mount -t proc proc /proc\n\
         b mount -t devtmpfs dev /dev\nb mount -t tmpfs tmp /tmp\nb mount -t tmpfs data /data\n",
    );
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes any text");
    for index in 0..modules {
        line(format!("b insmod /{}", module_file(index)));
    }
    line("for i in all eth0; do echo 1 >/proc/sys/net/ipv4/conf/$i/route_localnet; done".into());
    // With it comes an address that means the whole network.
    line("b ip link set lo up; b ip addr del 127.0.0.1/8 dev lo".into());
    let mut own: Vec<IpAddr> = vec![args.listen.ip(), args.tools.ip()];
    own.dedup();
    for ip in own {
        line(format!("b ip addr add {ip}/32 dev lo"));
    }
    line(format!(
        "b ip addr add {OWN}/24 dev eth0; b ip link set eth0 up"
    ));
    line(format!("b ip route add default via {GATEWAY}"));
    line(format!("b ip route add 127.0.0.0/8 via {GATEWAY}"));
    let inside = NodeArgs {
        data: DATA.into(),
        token: args.token.as_ref().map(|_| TOKEN.into()),
        ..args.clone()
    };
    let mut node = String::from(PROGRAM);
    for word in inside.to_command_line() {
        let word = word.to_string_lossy().replace('\'', r"'\''");
        write!(node, " '{word}'").expect("a string takes any text");
    }
    // A machine ends with its node.
    line(format!("{node} || true"));
    line("b poweroff -f".into());
    text
}

fn module_file(index: usize) -> String {
    format!("modules/{index}.ko")
}

/// Where a driver is below a directory, if it is no part of the kernel itself.
fn module(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.find_map(|path| match path.is_dir() {
        true => module(&path, name),
        false => (path.file_name()? == format!("{name}.ko").as_str()).then_some(path),
    })
}

fn own_program() -> Result<PathBuf, Error> {
    std::env::current_exe()
        .map_err(|error| Error::config(format!("find my own executable: {error}")))
}

/// What a program is linked with: also who links it.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: String| Error::config(format!("run ldd: {error}"));
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().map(|line| line.split_whitespace());
    let paths = words.filter_map(|mut words| words.find(|word| word.starts_with('/')));
    Ok(paths.map(Into::into).collect())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::config(format!("read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_how_to_get_it() {
        let error = Linux::find(None).unwrap_err();
        let expected = "expected a directory with a kernel of Linux, found none";
        assert_eq!(error.to_string(), expected);
        assert!(error.hints()[0].contains("apt-get download"));
        let error = Linux::find(Some(Path::new("/no such"))).unwrap_err();
        let expected = "expected boot/vmlinuz-* in /no such, found none";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_guest_is_found_at_its_own_addresses_and_finds_others() {
        let line = [
            "plurix",
            "node",
            "--data",
            "/here/node-2",
            "--listen",
            "127.0.0.3:7",
            "--tools",
            "127.0.0.1:8",
            "--token",
            "/here/token",
            "--join",
            "127.0.0.2:9",
            "--name",
            "it's me",
        ];
        let text = script(2, &crate::commands::node_args(&line));
        let own = [
            "b insmod /modules/0.ko",
            "b insmod /modules/1.ko",
            "b ip addr add 127.0.0.3/32 dev lo",
            "b ip addr add 127.0.0.1/32 dev lo",
            "b ip route add 127.0.0.0/8 via 10.0.2.2",
        ];
        let lines: Vec<&str> = text.lines().collect();
        for expected in own {
            assert!(lines.contains(&expected), "{expected} in {text}");
        }
        let node = lines.iter().find(|line| line.starts_with("/plurix"));
        let node = node.unwrap();
        for expected in ["'--data' '/data'", "'--token' '/token'", r"'it'\''s me'"] {
            assert!(node.contains(expected), "{expected} in {node}");
        }
    }
}
