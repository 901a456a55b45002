//! The words of the input files, most frequent first.
//!
//! The files are cut into chunks, and a worker counts each chunk in one step, on pages
//! that its node allocates. `main` merges what is ready, a few chunks per step, and writes
//! the result: a line `count word` per word. The argument, if any, is the size of a chunk
//! in KiB.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};

use sdk::{Event, Input, PageAligned, Static, Step, out, worker};
use wordcount_core::{Counts, is_word_byte, word_length};

const CHUNK_KIB: u64 = 64;
/// Chunks that `main` merges per step.
const MERGED_PER_STEP: usize = 4;
/// Bytes that are read at a time behind a chunk, to the end of its last word.
const AFTER_BYTES: usize = 64;
/// Signalled by each worker.
const CHUNK_DONE: Event = Event(1);

/// A piece of a file, and its words as soon as they are counted.
struct Chunk {
    input: Input,
    offset: u64,
    length: usize,
    counts: PageAligned<OnceCell<Counts>>,
}

#[derive(Default)]
struct Merged {
    chunks: usize,
    counts: Counts,
}

struct Job {
    chunks: Box<[Chunk]>,
    /// What `main` alone uses, away from what workers read.
    merged: PageAligned<RefCell<Merged>>,
}

static JOB: Static<OnceCell<Job>> = Static::new(OnceCell::new());

worker! {
    /// Cuts the files up, then merges.
    fn main(_argument: i64) -> Step {
        let Some(job) = JOB.get() else {
            return begin();
        };
        let Merged { chunks, counts } = &mut *job.merged.borrow_mut();
        let before = *chunks;
        let ready = job.chunks[before..].iter().map_while(|chunk| chunk.counts.get());
        for part in ready.take(MERGED_PER_STEP) {
            counts.merge(part);
            *chunks += 1;
        }
        sdk::progress(*chunks as u64, job.chunks.len() as u64);
        if *chunks == job.chunks.len() {
            sdk::result_write(0, &counts.report());
            out!("{} words, {} different", counts.total(), counts.words());
            return Step::Done(0);
        }
        if *chunks == before + MERGED_PER_STEP { Step::Again } else { Step::Wait(CHUNK_DONE) }
    }
}

worker! {
    /// Counts one chunk.
    fn count(chunk: i64) -> Step {
        let job = JOB.get().expect("main sets it before it spawns workers");
        let chunk = &job.chunks[chunk as usize];
        let fresh = chunk.counts.set(chunk.count()).is_ok();
        assert!(fresh, "a chunk is counted once");
        sdk::signal(CHUNK_DONE);
        Step::Done(0)
    }
}

impl Chunk {
    fn count(&self) -> Counts {
        let before = match self.offset.checked_sub(1) {
            Some(offset) => self.input.read(offset, 1).first().copied(),
            None => None,
        };
        let text = self.input.read(self.offset, self.length);
        let mut after = Vec::new();
        if text.last().is_some_and(|&byte| is_word_byte(byte)) {
            while word_length(&after) == after.len() {
                let offset = self.offset + (self.length + after.len()) as u64;
                let more = self.input.read(offset, AFTER_BYTES);
                if more.is_empty() {
                    break;
                }
                after.extend_from_slice(&more);
            }
        }
        let mut counts = Counts::default();
        counts.add_chunk(before, &text, &after);
        counts
    }
}

fn begin() -> Step {
    let arguments = sdk::arguments();
    let kib = match arguments.first().map(|argument| argument.parse()) {
        None => CHUNK_KIB,
        Some(Ok(kib @ 1..=65536)) => kib,
        Some(_) => {
            sdk::err!("wordcount: expected the size of a chunk in KiB, 1 to 65536, as argument");
            sdk::exit(1)
        }
    };
    let chunk_bytes = kib << 10;
    let mut chunks = Vec::new();
    for input in (0..sdk::inputs()).map(sdk::input) {
        for offset in (0..input.len()).step_by(chunk_bytes as usize) {
            let length = (input.len() - offset).min(chunk_bytes) as usize;
            let counts = PageAligned::new(OnceCell::new());
            chunks.push(Chunk {
                input,
                offset,
                length,
                counts,
            });
        }
    }
    let number = chunks.len();
    let job = Job {
        chunks: chunks.into(),
        merged: PageAligned::default(),
    };
    let fresh = JOB.set(job).is_ok();
    assert!(fresh, "main begins once");
    for chunk in 0..number {
        sdk::spawn("count", chunk as i64);
    }
    Step::Again
}
