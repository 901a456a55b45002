//! A keyboard: its codes as keys of the USB tables and, with the layout of the United States, as
//! characters.
use alloc::collections::BTreeMap;

use adapter::input::InputEvent;
use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{DecodedKey, HandleControl, KeyCode, KeyState, PS2Keyboard, ScancodeSet1};

/// The keys of a keyboard.
pub(super) struct Keys {
    keyboard: PS2Keyboard<Us104Key, ScancodeSet1>,
    /// Keys that are down, with what they stood for when they were pressed.
    held: BTreeMap<u16, Option<char>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            keyboard: PS2Keyboard::new(ScancodeSet1::new(), Us104Key, HandleControl::Ignore),
            held: BTreeMap::new(),
        }
    }
}

impl Keys {
    /// A byte of what it says; what has been done, if that is all.
    pub(super) fn hear(&mut self, byte: u8) -> Option<InputEvent> {
        // A code that is not known is no key's here.
        let event = self.keyboard.add_byte(byte).ok().flatten()?;
        let (key, state) = (event.code, event.state);
        let decoded = self.keyboard.process_keyevent(event);
        let code = usage(key)?;
        let is_down = state != KeyState::Up;
        let character = match is_down {
            true => decoded.and_then(character),
            false => self.held.remove(&code).flatten(),
        };
        if state == KeyState::Down {
            self.held.insert(code, character);
        }
        Some(InputEvent::Key {
            code,
            is_down,
            character,
        })
    }
}

/// The character that a key stands for: of those that are none to see, only these few.
fn character(decoded: DecodedKey) -> Option<char> {
    match decoded {
        DecodedKey::Unicode(character) => {
            let is_one = !character.is_control() || "\n\t\u{8}\u{1b}".contains(character);
            is_one.then_some(character)
        }
        DecodedKey::RawKey(_) => None,
    }
}

/// Keys in the order of the USB tables, with the number of the first of each row.
#[rustfmt::skip]
const USAGES: [(u16, &[KeyCode]); 4] = {
    use KeyCode::*;
    [
        (4, &[
            A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z,
            Key1, Key2, Key3, Key4, Key5, Key6, Key7, Key8, Key9, Key0,
            Return, Escape, Backspace, Tab, Spacebar, OemMinus, OemPlus, Oem4, Oem6, Oem7,
        ]),
        (51, &[
            Oem1, Oem3, Oem8, OemComma, OemPeriod, Oem2, CapsLock,
            F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12,
            PrintScreen, ScrollLock, PauseBreak, Insert, Home, PageUp, Delete, End, PageDown,
            ArrowRight, ArrowLeft, ArrowDown, ArrowUp,
        ]),
        (83, &[
            NumpadLock, NumpadDivide, NumpadMultiply, NumpadSubtract, NumpadAdd, NumpadEnter,
            Numpad1, Numpad2, Numpad3, Numpad4, Numpad5, Numpad6, Numpad7, Numpad8, Numpad9,
            Numpad0, NumpadPeriod, Oem5, Apps,
        ]),
        (224, &[LControl, LShift, LAlt, LWin, RControl, RShift, RAltGr, RWin]),
    ]
};

/// The number of a key in the USB tables.
fn usage(key: KeyCode) -> Option<u16> {
    USAGES.iter().find_map(|&(first, keys)| {
        let place = keys.iter().position(|&one| one == key)?;
        Some(first + u16::try_from(place).expect("rows are short"))
    })
}
