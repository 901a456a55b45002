//! Why a request was not done, as it is answered.

use alloc::string::String;

/// A status of HTTP, with its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status(pub(crate) u16, pub(crate) &'static str);

impl Status {
    pub(crate) const OK: Self = Self(200, "OK");
    pub(crate) const CREATED: Self = Self(201, "Created");
    pub(crate) const NO_CONTENT: Self = Self(204, "No Content");
    pub(crate) const NOT_MODIFIED: Self = Self(304, "Not Modified");
    pub(crate) const BAD_REQUEST: Self = Self(400, "Bad Request");
    pub(crate) const NOT_FOUND: Self = Self(404, "Not Found");
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    pub(crate) const CONFLICT: Self = Self(409, "Conflict");
    pub(crate) const LENGTH_REQUIRED: Self = Self(411, "Length Required");
    pub(crate) const PRECONDITION_FAILED: Self = Self(412, "Precondition Failed");
    pub(crate) const CONTENT_TOO_LARGE: Self = Self(413, "Content Too Large");
    pub(crate) const URI_TOO_LONG: Self = Self(414, "URI Too Long");
    pub(crate) const UNSUPPORTED_CONTENT: Self = Self(415, "Unsupported Media Type");
    pub(crate) const EXPECTATION_FAILED: Self = Self(417, "Expectation Failed");
    pub(crate) const HEAD_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    pub(crate) const NOT_IMPLEMENTED: Self = Self(501, "Not Implemented");
    pub(crate) const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    pub(crate) const VERSION_NOT_SUPPORTED: Self = Self(505, "HTTP Version Not Supported");
    pub(crate) const STORAGE_FULL: Self = Self(507, "Insufficient Storage");

    /// Whether an answer with it has no content, by its nature.
    pub(crate) fn is_bare(self) -> bool {
        self == Self::NO_CONTENT || self == Self::NOT_MODIFIED
    }
}

/// Why a request was not done. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    /// A sentence: what was expected, and what was found.
    pub(crate) text: String,
    /// What a resource can do, for 405.
    pub(crate) allow: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: Status, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            status,
            text,
            allow: None,
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(Status::BAD_REQUEST, text)
    }
}

/// Bytes of a client as they are told him again: printable, and not too many.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const SHOWN_BYTES: usize = 80;
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    alloc::format!("`{}{more}`", shown.escape_ascii())
}
