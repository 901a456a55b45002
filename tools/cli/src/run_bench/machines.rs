//! Benchmarks of machines that QEMU makes: those that boot the image, and those that boot Linux.
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use bench::{Kernel, MachineKind, Report};

use super::{Directory, Told, or_default, start_as, usual};
use crate::cluster::{Hosts, Metal, Plan};
use crate::error::Error;
use crate::metal::{
    Core, Image, Linux, MACHINE_MIB, Machine, Qemu, Screen, System, concrete, lone,
    write_first_files,
};

/// How long machines take until they work.
pub(super) fn boot(told: Told<'_>) -> Result<Report, Error> {
    let scratch =
        Directory(std::env::temp_dir().join(format!("plurix-boot-{}", std::process::id())));
    std::fs::create_dir_all(&scratch.0)
        .map_err(|error| Error::config(format!("make {}: {error}", scratch.0.display())))?;
    let image = Image::find(None)?;
    // A directory that was given is to be of use.
    let linux = told.linux.map(|path| Linux::find(Some(path))).transpose()?;
    let make = |kind, kernel: Kernel<'_>| {
        let system = match kernel {
            Kernel::Node => System::Image(image.clone()),
            Kernel::Other(path) => System::Image(Image(path.to_owned())),
            Kernel::Linux { init } => {
                write_first_files(&scratch.0, &lone(init)).map_err(text)?;
                System::Linux(linux.clone().ok_or("expected a kernel of Linux")?)
            }
        };
        lone_machine(system, kind, &scratch.0).map_err(text)
    };
    let has_linux = match linux {
        Some(_) => bench::LinuxKernel::Given,
        None => bench::LinuxKernel::Missing,
    };
    let mut report = bench::boot(&make, has_linux, &scratch.0).map_err(Error::config)?;
    let sizes = or_default(told.sizes_mib, &[64, 1024]);
    bench::reboot(&start_on_metal, sizes, &mut report).map_err(Error::config)?;
    Ok(report)
}

/// A machine whose node, if it has one, is the only one of its cluster.
fn lone_machine(system: System, kind: MachineKind, scratch: &Path) -> Result<Command, Error> {
    let screen = match kind {
        MachineKind::Microvm => Screen::None,
        MachineKind::Q35 => Screen::Hidden,
    };
    let qemu = Qemu::new(system, MACHINE_MIB, screen)?;
    let here = || concrete((Ipv4Addr::LOCALHOST, 0).into());
    qemu.command(&Machine {
        directory: scratch,
        tools: here()?,
        programs: Vec::new(),
        cores: vec![Core {
            link: here()?,
            words: "cluster=1 found end=off".into(),
        }],
    })
}

/// What nodes do on bare metal and on Linux, in machines that are the same.
pub(super) fn metal(linux: Option<&Path>, bank: &[u8]) -> Result<Report, Error> {
    let linux = Linux::find(linux)?;
    let image = Image::find(None)?;
    let machine = |system, plan: bench::Plan| {
        let qemu = Qemu::new(system, plan.memory_mib, Screen::Hidden).map_err(text)?;
        Ok::<_, String>(Qemu {
            disk_mib: 0,
            ..qemu
        })
    };
    let on_metal = |plan: bench::Plan| {
        let qemu = machine(System::Image(image.clone()), plan)?;
        let nodes = plan.nodes;
        let metal = Some(Metal {
            nodes,
            qemu,
            programs: Vec::new(),
        });
        start_as(plan, Plan { metal, ..usual()? }, None)
    };
    let on_linux = |plan: bench::Plan| {
        let guests = Some(machine(System::Linux(linux.clone()), plan)?);
        // A guest takes all of its own addresses for itself.
        let hosts = Hosts::Apart;
        let usual = usual()?;
        start_as(
            plan,
            Plan {
                guests,
                hosts,
                ..usual
            },
            None,
        )
    };
    bench::metal(&on_metal, &on_linux, bank).map_err(Error::config)
}

/// Starts a cluster of machines.
fn start_on_metal(plan: bench::Plan) -> Result<Box<dyn bench::Cluster>, String> {
    let mut metal = Metal::small(plan.nodes).map_err(text)?;
    metal.qemu.memory_mib = plan.memory_mib;
    let metal = Some(metal);
    start_as(plan, Plan { metal, ..usual()? }, None)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: Error) -> String {
    error.to_string()
}
