//! Why a command was not done, in Redis's words.

use alloc::format;
use alloc::vec::Vec;

/// Why a command was not done. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The key stands for something else.
    WrongType,
    NotInteger,
    Syntax,
    /// Of the command of this name.
    Arity(&'static str),
    /// The same.
    Expiry(&'static str),
    /// A text without anything variable in it.
    Text(&'static str),
    Message(Vec<u8>),
}

impl Failure {
    pub(crate) const OVERFLOW: Self = Self::Text("ERR increment or decrement would overflow");
    pub(crate) const NEGATIVE: Self = Self::Text("ERR value is out of range, must be positive");
    pub(crate) const TOO_LONG: Self =
        Self::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    pub(crate) const TOO_MUCH: Self =
        Self::Text("ERR the transaction reads more than one step of the system may");

    /// The same where the command was EXEC.
    pub(crate) fn of_exec(self) -> Self {
        let text = self.text();
        let reason = text.strip_prefix(b"ERR ").unwrap_or(&text);
        Self::Message([b"EXECABORT Transaction discarded because of: ", reason].concat())
    }

    /// The error as it is answered.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::WrongType => {
                b"WRONGTYPE Operation against a key holding the wrong kind of value".to_vec()
            }
            Self::NotInteger => b"ERR value is not an integer or out of range".to_vec(),
            Self::Syntax => b"ERR syntax error".to_vec(),
            Self::Arity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Self::Expiry(name) => {
                format!("ERR invalid expire time in '{name}' command").into_bytes()
            }
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Message(text) => text.clone(),
        }
    }
}
