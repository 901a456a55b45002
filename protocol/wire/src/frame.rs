//! A page's bytes in a message: one presence byte, then the bytes as they are.
use alloc::sync::Arc;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use types::{Frame, PageBytes};

pub(crate) fn serialize<S: Serializer>(
    frame: &Option<Frame>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(frame.as_ref().map_or(&[], |frame| &frame[..]))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Frame>, D::Error> {
    let bytes: &[u8] = Deserialize::deserialize(deserializer)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let page: &PageBytes = bytes
        .try_into()
        .map_err(|_| D::Error::invalid_length(bytes.len(), &"no bytes or 4096"))?;
    Ok(Some(Arc::new(*page)))
}
