//! How much a client may ask for, and what sessions may keep.

/// The longest value, and the longest content of any request.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// The longest key, decoded.
pub const NAME_BYTES_MAX: usize = 1024;
/// The longest first line of a request.
pub const LINE_BYTES_MAX: usize = 8 << 10;
/// The longest head of a request: first line and headers; the same for what follows the last
/// chunk of a content in chunks.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most headers of a request.
pub const HEADERS_MAX: usize = 64;
/// The longest `Content-Type`.
pub const CONTENT_TYPE_BYTES_MAX: usize = 256;
/// The longest line that says how long a chunk is.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Names that a listing has at most.
pub const LISTED_MAX: usize = 1000;
/// A listing ends after so many bytes, whatever its limit is.
pub const LISTED_BYTES: usize = 64 << 10;

/// What a session may keep without asking for a place: content that has not come whole, or
/// answers that are not taken.
pub const SMALL_BYTES: usize = 64 << 10;
/// Sessions that may keep more than that at the same time.
pub const PLACES: usize = 128;
