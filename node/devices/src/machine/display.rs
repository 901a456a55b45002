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
use platform::{Screen, ScreenState};

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
    told: Told,
}

/// What the machine's own screen has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Told {
    /// All commands up to this one.
    version: u64,
    /// Which mode it is in, if it shows what the adapter has.
    mode: Option<Mode>,
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
            told: Told::default(),
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

    /// A driver says something; what the adapter answers goes to `said`, what it shows to the
    /// machine's own screen.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        said: &mut VecDeque<u8>,
        screen: &mut impl Screen,
    ) -> Result<(), Malformed> {
        let mut part = mem::take(&mut self.part);
        part.extend(bytes);
        let mut rest = part.as_slice();
        while let Some((command, length)) = Command::decode(rest)? {
            if let Command::Read(token) = command {
                self.show(screen);
                said.extend(self.read(token, screen.ask_screen()).encode());
            } else {
                self.obey(command);
            }
            rest = &rest[length..];
        }
        self.show(screen);
        assert!(rest.len() < COMMAND_BYTES_MAX, "a part of a command");
        self.part = rest.to_vec();
        Ok(())
    }

    /// The line is another one: what was begun on the last one is not finished, and the
    /// machine's own screen is told everything anew.
    pub(super) fn forget_line(&mut self) {
        self.part.clear();
        self.told = Told::default();
    }

    /// Has the machine's own screen show what has changed since it was told last.
    fn show(&mut self, screen: &mut impl Screen) {
        if !screen.has_screen() {
            return;
        }
        let told = mem::replace(
            &mut self.told,
            Told {
                version: self.version,
                mode: Some(self.mode),
            },
        );
        let is_other = told.mode != Some(self.mode);
        if is_other || self.state_changed > told.version {
            screen.set_screen(&self.state());
        }
        let chunks = self.shown().chunks(CHUNK_BYTES).zip(&self.changed);
        for (index, (bytes, changed)) in chunks.enumerate() {
            if is_other || *changed > told.version {
                screen.write_screen(index * CHUNK_BYTES, bytes);
            }
        }
    }

    fn state(&self) -> ScreenState {
        ScreenState {
            mode: self.mode,
            cursor: self.cursor,
            palette: self.palette.clone(),
        }
    }

    /// What the adapter is like: what the machine's own screen was found to be in, if there is
    /// one, and what is in the memory.
    fn read(&self, token: u32, found: Option<ScreenState>) -> Reading {
        let ScreenState {
            mode,
            cursor,
            palette,
        } = found.unwrap_or_else(|| self.state());
        let mut checksum = Checksum::of(&palette);
        checksum.add(self.shown());
        Reading {
            token,
            mode,
            cursor,
            checksum: checksum.value(),
        }
    }

    fn obey(&mut self, command: Command<'_>) {
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
            Command::Read(_) => unreachable!("answered by whoever has the line"),
        }
        self.state_changed = self.version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::NoHardware;

    /// A screen that keeps what it is told.
    #[derive(Default)]
    struct Glass {
        state: Option<ScreenState>,
        memory: Vec<u8>,
        written_bytes: usize,
    }

    impl Screen for Glass {
        fn has_screen(&self) -> bool {
            true
        }

        fn set_screen(&mut self, state: &ScreenState) {
            let mode = self.state.as_ref().map(|state| state.mode);
            if mode != Some(state.mode) {
                self.memory = vec![0xEE; state.mode.geometry().bytes()];
            }
            self.state = Some(state.clone());
        }

        fn write_screen(&mut self, offset: usize, bytes: &[u8]) {
            self.memory[offset..offset + bytes.len()].copy_from_slice(bytes);
            self.written_bytes += bytes.len();
        }

        fn ask_screen(&mut self) -> Option<ScreenState> {
            self.state.clone()
        }
    }

    fn say(adapter: &mut Adapter, commands: &[Command<'_>]) {
        let mut bytes = vec![];
        for command in commands {
            command.encode(&mut bytes);
        }
        // In pieces, as lines have it.
        for piece in bytes.chunks(7) {
            let mut said = VecDeque::new();
            adapter.write(piece, &mut said, &mut NoHardware).unwrap();
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

    fn write(adapter: &mut Adapter, glass: &mut Glass, command: Command<'_>) -> VecDeque<u8> {
        let (mut bytes, mut said) = (vec![], VecDeque::new());
        command.encode(&mut bytes);
        adapter.write(&bytes, &mut said, glass).unwrap();
        said
    }

    #[test]
    fn the_machines_own_screen_shows_what_the_adapter_has() {
        let (mut adapter, mut glass) = (Adapter::default(), Glass::default());
        let speckle = |meant, offset| Command::Write {
            meant,
            offset,
            bytes: &[7; 9],
        };
        let cursor = Cursor {
            is_visible: true,
            column: 3,
            row: 4,
        };
        for command in [
            Command::SetMode(Mode::Text),
            speckle(Mode::Text, 100),
            Command::SetCursor(cursor),
            Command::SetMode(Mode::Wide),
            speckle(Mode::Wide, 70_000),
            Command::SetColour(200, [1, 2, 3]),
            Command::SetMode(Mode::Low),
            Command::Clear,
        ] {
            write(&mut adapter, &mut glass, command);
            assert_eq!(glass.memory, adapter.shown(), "{command:?}");
            assert_eq!(glass.state, Some(adapter.state()), "{command:?}");
        }
        glass.written_bytes = 0;
        write(&mut adapter, &mut glass, speckle(Mode::Low, 5000));
        assert_eq!(glass.written_bytes, CHUNK_BYTES);
        // On another line nothing is known of it.
        glass.memory.fill(1);
        adapter.forget_line();
        write(&mut adapter, &mut glass, speckle(Mode::Low, 0));
        assert_eq!(glass.memory, adapter.shown());
    }

    #[test]
    fn a_screen_that_is_not_as_it_was_told_is_found_out() {
        let (mut adapter, mut glass) = (Adapter::default(), Glass::default());
        let read = |adapter: &mut Adapter, glass: &mut Glass| {
            let said = write(adapter, glass, Command::Read(1));
            let bytes: Vec<u8> = said.into();
            Reading::decode(bytes.as_slice().try_into().unwrap()).unwrap()
        };
        write(&mut adapter, &mut glass, Command::SetMode(Mode::Colour));
        let good = read(&mut adapter, &mut glass);
        assert_eq!(good, read(&mut adapter, &mut glass));
        let told = glass.state.clone().unwrap();
        glass.state.as_mut().unwrap().palette.0[9] = [9; 3];
        assert_ne!(good.checksum, read(&mut adapter, &mut glass).checksum);
        glass.state = Some(ScreenState {
            mode: Mode::Text,
            ..told
        });
        assert_eq!(read(&mut adapter, &mut glass).mode, Mode::Text);
    }
}
