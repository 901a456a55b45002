//! A picture, rendered by every node of the cluster.
//!
//! Input 0 is a scene (`scenes/`, described in `raytracer-core`); the result is the picture
//! as a blob. The argument, if any, is the number of workers.
//!
//! `main` reads the scene once; from then on it is in memory for every node to see. A
//! step of a worker renders one *slice* of consecutive pixels and writes it into the
//! result. A node takes the slices in blocks whose bytes fill whole pages of the result, so
//! nodes do not meet there either.
#![no_std]

extern crate alloc;

use alloc::format;
use core::cell::OnceCell;

use raytracer_core::{BLOB_HEADER_BYTES, Scene, blob_header, parse};
use sdk::{Counter, Event, PAGE_BYTES, Static, Step, WorkList, out, worker};

/// Pixels per step.
const SLICE_PIXELS: usize = 512;
/// Slices that a node takes at a time: three pages of the result.
const BLOCK_SLICES: usize = 8;
const _: () = assert!((BLOCK_SLICES * SLICE_PIXELS * 3).is_multiple_of(PAGE_BYTES));
/// The header counts as so many pixels, so that slices begin where pages do.
const HEADER_PIXELS: usize = BLOB_HEADER_BYTES / 3;
const _: () = assert!(BLOB_HEADER_BYTES.is_multiple_of(3));

/// Signalled when a block of slices, or a worker, is done.
const BLOCK_DONE: Event = Event(1);
/// Workers per node: enough that a node that joins finds some to take over.
const WORKERS_PER_NODE: usize = 4;
const WORKERS_MIN: usize = 16;

struct Picture {
    scene: Scene,
    slices: WorkList,
}

static PICTURE: Static<OnceCell<Picture>> = Static::new(OnceCell::new());
static SLICES_DONE: Counter = Counter::new();

worker! {
    /// Sets the picture up, then reports progress until it is complete.
    fn main(_argument: i64) -> Step {
        let Some(picture) = PICTURE.get() else {
            return begin();
        };
        let (done, total) = (SLICES_DONE.sum() as u64, picture.slices.count());
        sdk::progress(done, total);
        if done == total {
            out!("rendered {} by {} pixels", picture.scene.width(), picture.scene.height());
            return Step::Done(0);
        }
        Step::Wait(BLOCK_DONE)
    }
}

worker! {
    /// Renders a slice per step.
    fn render(_argument: i64) -> Step {
        let picture = PICTURE.get().expect("main sets it before it spawns workers");
        let Some(slice) = picture.slices.take() else {
            sdk::signal(BLOCK_DONE);
            return Step::Done(0);
        };
        render_slice(&picture.scene, slice as usize);
        SLICES_DONE.add(1);
        if (slice as usize + 1).is_multiple_of(BLOCK_SLICES) {
            sdk::signal(BLOCK_DONE);
        }
        Step::Again
    }
}

fn begin() -> Step {
    if sdk::inputs() == 0 {
        return fail("expected a scene file as input");
    }
    let bytes = sdk::input(0).to_vec();
    let Ok(text) = core::str::from_utf8(&bytes) else {
        return fail("the scene file is not text (UTF-8)");
    };
    let scene = match sdk::share(|| parse(text)) {
        Ok(scene) => scene,
        Err(error) => return fail(&format!("the scene file, {error}")),
    };
    let arguments = sdk::arguments();
    let workers = match arguments.first().map(|argument| argument.parse()) {
        None => (sdk::node_count() * WORKERS_PER_NODE).max(WORKERS_MIN),
        Some(Ok(workers @ 1..=4096)) => workers,
        Some(_) => return fail("expected a number of workers from 1 to 4096 as argument"),
    };
    sdk::result_write(0, &blob_header(&scene));
    let slices = (HEADER_PIXELS + scene.pixels() as usize).div_ceil(SLICE_PIXELS) as u64;
    sdk::progress(0, slices);
    let slices = sdk::share(|| WorkList::new(slices, BLOCK_SLICES as u64));
    let fresh = PICTURE.set(Picture { scene, slices }).is_ok();
    assert!(fresh, "main begins once");
    for number in 0..workers {
        sdk::spawn("render", number as i64);
    }
    Step::Wait(BLOCK_DONE)
}

fn render_slice(scene: &Scene, slice: usize) {
    let pixel_at = |position: usize| position.saturating_sub(HEADER_PIXELS);
    let first = pixel_at(slice * SLICE_PIXELS);
    let end = pixel_at((slice + 1) * SLICE_PIXELS).min(scene.pixels() as usize);
    let rgb = scene.render(first as u32..end as u32);
    sdk::result_write((BLOB_HEADER_BYTES + first * 3) as u64, &rgb);
}

fn fail(why: &str) -> Step {
    sdk::err!("raytracer: {why}");
    sdk::exit(1)
}
