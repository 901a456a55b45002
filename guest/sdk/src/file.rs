//! Files to which a program appends, each byte once, in order, whatever is undone or fails.
//!
//! They lie in the directory that the operator has named (`plurix up --files DIR`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::channel::{Connection, Listener, Lost, Received, Release};
use crate::step::Event;

/// Bytes of a reason at most, about.
const WHY_BYTES: usize = 4096;

/// A file to which the program appends. A copy is the same file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File(Connection);

impl File {
    /// Appends to the file of this name: letters, digits, dots, hyphens and underscores, no dot
    /// first. What the program writes comes behind what is there now. If another program, or
    /// another `File`, appends to it, what is written here waits until that is closed and done.
    /// `event` is signalled when there is room again to write, and when the file is lost.
    pub fn append(name: &str, event: Event) -> Self {
        let address = format!("{}{name}", abi::FILE_PREFIX);
        let channel = Listener::bind(&address, Release::AtStable, event);
        Self(channel.into_connection())
    }

    /// Writes as much as there is room for: a megabyte may be on its way to the disk. Says how
    /// much.
    ///
    /// # Errors
    /// If the file cannot be written any more: [`File::why`].
    pub fn write(self, bytes: &[u8]) -> Result<usize, Lost> {
        self.0.write(bytes)
    }

    /// Why it cannot be written. To be asked once.
    pub fn why(self) -> String {
        let mut text = Vec::new();
        while let Received::Bytes(_) = self.0.receive(&mut text, WHY_BYTES) {}
        match text.is_empty() {
            true => String::from("the program has no such file any more"),
            false => String::from_utf8_lossy(&text).into_owned(),
        }
    }

    /// Appends no more. What was written still gets to the disk.
    pub fn close(self) {
        self.0.close();
    }
}
