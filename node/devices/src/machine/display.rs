//! A display adapter: its memory, its mode, and whoever looks at it.
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use adapter::Malformed;
use adapter::display::{
    Checksum, Command, Cursor, MEMORY_BYTES, Mode, Palette, Reading, WRITE_BYTES_MAX,
};

/// The parts of the memory that are noted to have changed.
pub const CHUNK_BYTES: usize = 4096;
/// Bytes of a command at most.
const COMMAND_BYTES_MAX: usize = WRITE_BYTES_MAX + 16;

/// A display adapter.
#[derive(Debug)]
pub struct Adapter {
    mode: Mode,
    cursor: Cursor,
    palette: Box<Palette>,
    memory: Vec<u8>,
    /// The beginning of a command.
    part: Vec<u8>,
    /// Counts commands.
    version: u64,
    /// Up to which command each part of the memory was changed.
    changed: Vec<u64>,
    /// The same for mode, cursor and palette.
    state_changed: u64,
    misread: u64,
}

/// What an adapter shows, as far as it has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// Where to go on.
    pub version: u64,
    /// What it is in.
    pub mode: Mode,
    /// Where the cursor is.
    pub cursor: Cursor,
    /// The colours, if mode, cursor or colours have changed.
    pub palette: Option<Box<Palette>>,
    /// Parts of the memory that are shown and have changed, with the position of each.
    pub chunks: Vec<(u32, Vec<u8>)>,
}

impl Default for Adapter {
    /// As it is when it gets power.
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            cursor: Cursor::default(),
            palette: Box::default(),
            memory: vec![0; MEMORY_BYTES],
            part: Vec::new(),
            version: 1,
            changed: vec![1; MEMORY_BYTES.div_ceil(CHUNK_BYTES)],
            state_changed: 1,
            misread: 0,
        }
    }
}

impl Adapter {
    /// What it is in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How often something was written that was meant for another mode.
    #[must_use]
    pub fn misread(&self) -> u64 {
        self.misread
    }

    /// What is shown of the memory.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        &self.memory[..self.mode.geometry().bytes()]
    }

    /// What has changed since: 0 is before everything. A version that it has not reached is
    /// another adapter's: everything has changed.
    #[must_use]
    pub fn changes(&self, since: u64) -> Changes {
        let since = if since > self.version { 0 } else { since };
        let has_changed = self.state_changed > since;
        let shown = self.shown();
        let chunks = shown.chunks(CHUNK_BYTES).zip(&self.changed).enumerate();
        // In another mode everything looks different.
        let chunks = chunks.filter(|(_, (_, changed))| has_changed || **changed > since);
        Changes {
            version: self.version,
            mode: self.mode,
            cursor: self.cursor,
            palette: has_changed.then(|| self.palette.clone()),
            chunks: chunks
                .map(|(index, (bytes, _))| {
                    let offset = u32::try_from(index * CHUNK_BYTES).expect("within the memory");
                    (offset, bytes.to_vec())
                })
                .collect(),
        }
    }

    /// A driver says something; what the adapter answers goes to `said`.
    pub(super) fn write(&mut self, bytes: &[u8], said: &mut VecDeque<u8>) -> Result<(), Malformed> {
        let mut part = mem::take(&mut self.part);
        part.extend(bytes);
        let mut rest = part.as_slice();
        while let Some((command, length)) = Command::decode(rest)? {
            self.obey(command, said);
            rest = &rest[length..];
        }
        assert!(rest.len() < COMMAND_BYTES_MAX, "a part of a command");
        self.part = rest.to_vec();
        Ok(())
    }

    /// The line is another one: what was begun on the last one is not finished.
    pub(super) fn forget_part(&mut self) {
        self.part.clear();
    }

    fn checksum(&self) -> u32 {
        let mut checksum = Checksum::of(&self.palette);
        checksum.add(self.shown());
        checksum.value()
    }

    fn obey(&mut self, command: Command<'_>, said: &mut VecDeque<u8>) {
        self.version += 1;
        match command {
            Command::SetMode(mode) => self.mode = mode,
            Command::SetColour(index, colour) => self.palette.0[usize::from(index)] = colour,
            Command::SetCursor(cursor) => self.cursor = cursor,
            Command::Write {
                meant,
                offset,
                bytes,
            } => {
                self.misread += u64::from(meant != self.mode);
                let start = offset as usize;
                let end = start + bytes.len();
                self.memory[start..end].copy_from_slice(bytes);
                let chunks = start / CHUNK_BYTES..end.div_ceil(CHUNK_BYTES);
                self.changed[chunks].fill(self.version);
                return;
            }
            Command::Clear => {
                self.memory.fill(0);
                self.changed.fill(self.version);
                return;
            }
            Command::Read(token) => {
                let reading = Reading {
                    token,
                    mode: self.mode,
                    cursor: self.cursor,
                    checksum: self.checksum(),
                };
                said.extend(reading.encode());
                return;
            }
        }
        self.state_changed = self.version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(adapter: &mut Adapter, commands: &[Command<'_>]) {
        let mut bytes = vec![];
        for command in commands {
            command.encode(&mut bytes);
        }
        // In pieces, as lines have it.
        for piece in bytes.chunks(7) {
            adapter.write(piece, &mut VecDeque::new()).unwrap();
        }
    }

    #[test]
    fn who_writes_for_another_mode_is_misread() {
        let mut adapter = Adapter::default();
        let write = |meant| Command::Write {
            meant,
            offset: 4000,
            bytes: &[7; 200],
        };
        say(&mut adapter, &[write(Mode::Text)]);
        assert_eq!((adapter.misread(), adapter.shown().len()), (0, 4000));
        say(
            &mut adapter,
            &[Command::SetMode(Mode::Low), write(Mode::Text)],
        );
        assert_eq!(adapter.misread(), 1);
        assert_eq!(adapter.shown()[4000..4200], [7; 200]);
    }

    #[test]
    fn whoever_looks_again_gets_what_has_changed() {
        let mut adapter = Adapter::default();
        say(&mut adapter, &[Command::SetMode(Mode::Palette)]);
        let all = adapter.changes(0);
        let length: usize = all.chunks.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!((length, all.palette.is_some()), (640 * 480, true));
        let write = Command::Write {
            meant: Mode::Palette,
            offset: 8191,
            bytes: &[1, 2],
        };
        say(&mut adapter, &[write]);
        let some = adapter.changes(all.version);
        let places: Vec<u32> = some.chunks.iter().map(|(offset, _)| *offset).collect();
        assert_eq!((places, some.palette), (vec![4096, 8192], None));
        assert!(adapter.changes(some.version).chunks.is_empty());
        assert_eq!(adapter.changes(1 << 40), adapter.changes(0));
    }
}
