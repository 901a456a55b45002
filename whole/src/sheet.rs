//! What was typed since the board was wiped, and what of it a display may show: a subsequence,
//! in order. What is missing was typed where nobody heard it yet, or at a home that was lost:
//! of that home the first keys have come, and none of the others.
use std::collections::BTreeSet;

use crate::names::Pid;

/// Bytes of a character with its attribute.
const CELL_BYTES: usize = 2;
/// Light grey on black, as the board writes.
const ATTRIBUTE: u8 = 0x07;

/// A key that was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub(crate) character: u8,
    /// Who had the keyboard.
    pub(crate) home: Pid,
    /// It comes, if its home lives on.
    pub(crate) is_sure: bool,
}

/// A board in the text mode, as its typist knows it.
#[derive(Debug)]
pub(crate) struct Sheet {
    keys: Vec<Key>,
    /// The most that was shown.
    shown: Vec<u8>,
    /// How many keys may have been pressed when the last of these characters was: one number
    /// for each way to read it.
    read: BTreeSet<usize>,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            shown: Vec::new(),
            read: [0].into(),
        }
    }
}

impl Sheet {
    pub(crate) fn press(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// The last keys were not pressed: there was no keyboard.
    pub(crate) fn take_back(&mut self, count: usize) {
        self.keys.truncate(self.keys.len() - count);
    }

    /// Whether the last keys were pressed nobody knows.
    pub(crate) fn doubt(&mut self, count: usize) {
        let from = self.keys.len() - count;
        self.keys[from..]
            .iter_mut()
            .for_each(|key| key.is_sure = false);
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn shown(&self) -> usize {
        self.shown.len()
    }

    /// How many keys may still come.
    pub(crate) fn awaited(&self) -> usize {
        self.keys.len() - self.read.first().copied().unwrap_or(0)
    }

    /// A display shows this, and is restored.
    ///
    /// # Errors
    /// If it may not.
    pub(crate) fn see(&mut self, text: &[u8]) -> Result<(), String> {
        let Some(more) = text.strip_prefix(self.shown.as_slice()) else {
            return Err(format!(
                "`{}` was shown, now `{}` is",
                text_of(&self.shown),
                text_of(text)
            ));
        };
        for &character in more {
            let may_be_next = self.reach(|_| false).into_iter();
            let is_it = |at: &usize| self.keys.get(*at).is_some_and(|k| k.character == character);
            self.read = may_be_next.filter(is_it).map(|at| at + 1).collect();
            self.shown.push(character);
            if self.read.is_empty() {
                let (typed, shown) = (self.typed(), text_of(text));
                return Err(format!("`{shown}` is shown, of what was typed: {typed}"));
            }
        }
        Ok(())
    }

    /// Whether everything is shown that must be, if this one has lived on with the keyboard.
    pub(crate) fn is_complete(&self, home: Option<Pid>) -> bool {
        let is_lost = |one: Pid| Some(one) != home;
        self.reach(is_lost).contains(&self.keys.len())
    }

    /// The keys of which each may be the next to be shown, all behind the last one if none
    /// need be. Homes before the last have lost the rest of what was typed there; whether
    /// that one has, the caller knows.
    fn reach(&self, is_lost: impl Fn(Pid) -> bool) -> BTreeSet<usize> {
        let mut all = self.read.clone();
        let mut open: Vec<usize> = all.iter().copied().collect();
        while let Some(at) = open.pop() {
            let Some(key) = self.keys.get(at) else {
                continue;
            };
            let skipped = (!key.is_sure).then_some(at + 1);
            let is_other = |other: &Key| other.home != key.home;
            let rest = self.keys[at..].iter().position(is_other);
            let rest = match rest {
                Some(length) => Some(at + length),
                None => is_lost(key.home).then_some(self.keys.len()),
            };
            for next in skipped.into_iter().chain(rest) {
                if all.insert(next) {
                    open.push(next);
                }
            }
        }
        all
    }

    /// For people: what was typed, and where.
    pub(crate) fn typed(&self) -> String {
        let one_home = |keys: &[Key]| {
            let name = |key: &Key| match key.is_sure {
                true => char::from(key.character).to_string(),
                false => format!("({})", char::from(key.character)),
            };
            let text: String = keys.iter().map(name).collect();
            format!("`{text}` at {}", keys[0].home)
        };
        let homes = self.keys.chunk_by(|one, other| one.home == other.home);
        homes.map(one_home).collect::<Vec<_>>().join(", ")
    }
}

/// For people.
pub(crate) fn text_of(text: &[u8]) -> String {
    text.iter().copied().map(char::from).collect()
}

/// The characters that a board has put on a display in the text mode.
///
/// # Errors
/// If a board does not do that.
pub(crate) fn read_text(memory: &[u8]) -> Result<Vec<u8>, String> {
    let cells = memory.chunks_exact(CELL_BYTES);
    let written = cells.clone().take_while(|cell| cell[0] != 0);
    let text: Vec<u8> = written.clone().map(|cell| cell[0]).collect();
    let is_plain = written.clone().all(|cell| cell[1] == ATTRIBUTE);
    let mut rest = cells.skip(text.len());
    let is_empty = rest.all(|cell| cell.iter().all(|byte| *byte == 0));
    match is_plain && is_empty {
        true => Ok(text),
        false => Err(format!(
            "after `{}` comes what nobody has typed: {:x?}",
            text_of(&text),
            &memory[CELL_BYTES * text.len()..]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Pid = Pid(0);
    const B: Pid = Pid(1);

    fn sheet(typed: &[(&str, Pid)]) -> Sheet {
        let mut sheet = Sheet::default();
        for (text, home) in typed {
            for character in text.bytes() {
                sheet.press(Key {
                    character,
                    home: *home,
                    is_sure: true,
                });
            }
        }
        sheet
    }

    #[test]
    fn what_a_home_has_lost_is_its_last() {
        for (shown, is_well) in [
            ("abcxyz", true),
            ("abxyz", true),
            ("xyz", true),
            ("acxyz", false),
            ("abcyz", false),
            ("abbcxyz", false),
            ("axbcyz", false),
            ("abcabcxyz", false),
        ] {
            let mut sheet = sheet(&[("abc", A), ("xyz", B)]);
            assert_eq!(sheet.see(shown.as_bytes()).is_ok(), is_well, "{shown}");
        }
    }

    #[test]
    fn who_lives_on_has_lost_nothing() {
        let mut sheet = sheet(&[("abc", A), ("xyz", B)]);
        sheet.see(b"abxy").unwrap();
        assert!(!sheet.is_complete(Some(B)) && sheet.is_complete(None));
        sheet.see(b"abxyz").unwrap();
        assert!(sheet.is_complete(Some(B)));
    }

    #[test]
    fn nothing_is_taken_back() {
        let mut sheet = sheet(&[("abc", A)]);
        sheet.see(b"ab").unwrap();
        assert!(sheet.see(b"a").is_err() && sheet.see(b"").is_err());
    }

    #[test]
    fn of_what_is_doubted_any_part_may_come() {
        for (shown, is_well) in [("ad", true), ("acd", true), ("abcd", true), ("abc", true)] {
            let mut sheet = sheet(&[("abc", A)]);
            sheet.doubt(2);
            sheet.press(Key {
                character: b'd',
                home: A,
                is_sure: true,
            });
            assert_eq!(sheet.see(shown.as_bytes()).is_ok(), is_well, "{shown}");
            assert_eq!(sheet.is_complete(Some(A)), shown.ends_with('d'));
        }
    }

    #[test]
    fn a_board_writes_from_its_first_place_on() {
        assert_eq!(read_text(&[b'a', 7, b'b', 7, 0, 0]), Ok(b"ab".to_vec()));
        for bytes in [[b'a', 7, 0, 0, b'b', 7], [b'a', 8, 0, 0, 0, 0]] {
            assert!(read_text(&bytes).is_err());
        }
    }
}
