//! What a step costs without a network: `cargo run --release -p engine --example step_cost`.
#![expect(clippy::print_stdout, reason = "the figures are the purpose")]
use std::time::Instant;

use engine::{Engine, HostCall, Instance, Limits, ModuleInfo, StepHost, Stop};
use linux::{LinuxViews, Paging, View};
use platform::{ViewMemory, Views};
use types::{PAGE_SIZE, PageIndex};

const GUEST: &str = r#"(module
  (memory 16)
  (global $count (mut i64) (i64.const 0))
  (func (export "nothing") (param i64) (result i64) (i64.const 0))
  (func (export "global") (param i64) (result i64)
    (global.set $count (i64.add (global.get $count) (i64.const 1))) (i64.const 0))
  (func (export "grow") (param i64) (result i64) (drop (memory.grow (i32.const 0))) (i64.const 0))
  (func (export "write") (param i64) (result i64)
    (loop $again
      (i64.store (i32.shl (i32.wrap_i64 (local.get 0)) (i32.const 12)) (i64.const 1))
      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
      (br_if $again (i64.gt_s (local.get 0) (i64.const 0))))
    (i64.const 0))
  (func (export "read") (param i64) (result i64)
    (drop (i64.load (i32.wrap_i64 (local.get 0)))) (i64.const 0)))"#;

/// The cheapest host that is right: the engine's own share of a step remains.
struct Host {
    view: View,
    before: Vec<(PageIndex, [u8; PAGE_SIZE])>,
    header: [u8; PAGE_SIZE],
    does_refuse: bool,
}

impl StepHost for Host {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        if self.does_refuse {
            return Err(Stop::Conflict);
        }
        self.view.map(page, &[0; PAGE_SIZE]);
        Ok(())
    }
    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        if self.does_refuse {
            return Err(Stop::Conflict);
        }
        if !self.view.is_present(page) {
            self.view.map(page, &[0; PAGE_SIZE]);
        }
        self.before.push((page, *self.view.bytes(page)));
        self.view.unprotect(page);
        Ok(())
    }
    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        bytes.copy_from_slice(&self.header[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop> {
        self.header[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn interrupt(&mut self) -> Result<(), Stop> {
        Ok(())
    }
    fn call(&mut self, _: HostCall<'_>) -> Result<i64, Stop> {
        Ok(0)
    }
}

impl Host {
    fn end(&mut self) {
        for (page, _) in self.before.drain(..) {
            self.view.protect(page);
        }
    }
}

fn main() {
    let engine = Engine::new().expect("a processor that can run guests");
    let wasm = wat::parse_str(GUEST).expect("valid text");
    let wasm = instrument::instrument(&wasm)
        .expect("a module without special needs")
        .wasm;
    let artefact = engine.compile(&wasm).expect("a valid module");
    let module = engine
        .load(&artefact, &ModuleInfo::default())
        .expect("an artefact of ours");
    for paging in [Paging::Userfault, Paging::Protection] {
        println!("{paging:?}");
        let view = LinuxViews::with_paging(paging).create().expect("a view");
        let space = view.space();
        let mut host = Host {
            view,
            before: Vec::new(),
            header: [0; PAGE_SIZE],
            does_refuse: false,
        };
        let mut instance = Instance::new(module.clone(), host.view.space());
        let mut step = |host: &mut Host, entry: &str, argument: i64| {
            let result = instance.step(host, entry, argument, Limits::default());
            host.end();
            result
        };
        for (entry, argument) in [
            ("nothing", 0),
            ("global", 0),
            ("grow", 0),
            ("write", 1),
            ("write", 4),
            ("read", 0),
        ] {
            let nanos = median(|| step(&mut host, entry, argument).map(drop));
            println!("  {entry:8} {argument}  {nanos:8.1} ns");
        }
        host.does_refuse = true;
        println!("  stopped at a write, and made again  {:8.1} ns", {
            median(|| step(&mut host, "write", 1).map_or(Ok(()), |_| Err(Stop::Conflict)))
        });
        host.view.unmap_all();
        println!("  stopped at a fault, and made again  {:8.1} ns", {
            median(|| step(&mut host, "read", 0).map_or(Ok(()), |_| Err(Stop::Conflict)))
        });
        host.does_refuse = false;
        println!("  fault, map, unmap                   {:8.1} ns", {
            median(|| {
                let result = step(&mut host, "read", 0).map(drop);
                host.view.unmap(PageIndex(0));
                result
            })
        });
        println!("  unmap_all                           {:8.1} ns", {
            median(|| {
                host.view.unmap_all();
                Ok(())
            })
        });
        println!("  new instance and its first step     {:8.1} ns", {
            median(|| {
                let mut instance = Instance::new(module.clone(), space.clone());
                instance
                    .step(&mut host, "nothing", 0, Limits::default())
                    .map(drop)
            })
        });
    }
}

/// Nanoseconds per call: the median of some rounds.
fn median(mut body: impl FnMut() -> Result<(), Stop>) -> f64 {
    const CALLS: u32 = 2_000;
    let mut rounds: Vec<f64> = (0..15)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..CALLS {
                body().expect("the guest is well-behaved");
            }
            begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
