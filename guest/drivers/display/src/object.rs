//! The head of the fallback object: everything but the picture.
use adapter::display::{Cursor, Mode, Palette};
use sdk::Object;

/// Where the picture begins.
pub(crate) const PICTURE: u64 = 4096;
/// A byte that says that there is an object, the mode, the cursor, the palette.
const BYTES: usize = 5 + size_of::<Palette>();

/// What the adapter is to be like, without the picture.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mode: Mode,
    pub(crate) cursor: Cursor,
    pub(crate) palette: Palette,
}

impl State {
    /// From the object; as at first, if there is none.
    pub(crate) fn load(object: Object) -> Self {
        let mut bytes = [0; BYTES];
        object.read(0, &mut bytes);
        let [is_there, mode, visible, column, row, colours @ ..] = bytes;
        let mut state = Self {
            mode: Mode::of_number(mode).expect("drivers store modes that there are"),
            cursor: Cursor {
                is_visible: visible == 1,
                column,
                row,
            },
            palette: Palette::default(),
        };
        match is_there {
            0 => state.store(object),
            _ => {
                let (colours, _) = colours.as_chunks();
                state.palette.0.copy_from_slice(colours);
            }
        }
        state
    }

    pub(crate) fn store(&self, object: Object) {
        let mut bytes = [0; BYTES];
        let cursor = self.cursor;
        bytes[..5].copy_from_slice(&[
            1,
            self.mode.number(),
            u8::from(cursor.is_visible),
            cursor.column,
            cursor.row,
        ]);
        bytes[5..].copy_from_slice(self.palette.0.as_flattened());
        object.write(0, &bytes);
    }
}
